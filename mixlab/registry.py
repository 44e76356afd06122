"""Ground floor: registries of what can be named in a configuration, and plugins that add to them from outside.

A registry maps a name to one entry that says all about a thing: label, unit, settings, what it needs. Built-in entries
register on import of the modules in `homes`, which are imported when the registry is first looked into. A user's own
module does the same with ``REGISTRY.add(...)`` and is named by ``plugins=[my_lab.module]`` or by an entry point of the
group ``mixlab.plugins``.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any, Generic, Protocol, TypeVar

from pydantic import (
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    create_model,
    model_serializer,
    model_validator,
)

from mixlab.errors import ConfigError, MixlabError
from mixlab.settings import Settings, close_to, parse, sentence

ENTRY_POINTS = "mixlab.plugins"

RESOLVER = re.compile(r"\$\{\s*[\w.]+\s*:")
"""By which OmegaConf would look a value up, as in ``${oc.env:HOME}``."""


class Named(Protocol):
    """An entry: anything with a name."""

    @property
    def name(self) -> str: ...


Entry = TypeVar("Entry", bound=Named)


class Registry(Mapping[str, Entry], Generic[Entry]):
    """Entries by name, in the order of their registration.

    Args:
        what: an entry is called in messages, such as "baseline".
        homes: modules that register the built-in entries.
    """

    def __init__(self, what: str, *homes: str) -> None:
        self.what, self.homes = what, homes
        self._entries: dict[str, Entry] = {}
        self._opened = False

    def add(self, entry: Any) -> Any:
        """Register an entry (or, as a decorator, a class or function with a ``name``); returns it.

        Raises:
            ConfigError: if another entry has its name.
        """
        before = self._entries.get(entry.name)
        if before is not None and _place(before) != _place(entry):
            raise ConfigError(f"Two {self.what}s are called '{entry.name}'; give one of them another name.")
        self._entries[entry.name] = entry
        return entry

    def __getitem__(self, name: str) -> Entry:
        """The entry of a name.

        Raises:
            ConfigError: if there is none, with what was probably meant.
        """
        self._open()
        if name not in self._entries:
            known = ", ".join(self._entries)
            raise ConfigError(f"There is no {self.what} '{name}'{close_to(name, self._entries)}; there are {known}.")
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        self._open()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._open()
        return iter(self._entries)

    def __len__(self) -> int:
        self._open()
        return len(self._entries)

    def check(self, names: Sequence[str]) -> None:
        """Raise ValueError, for a validator of settings, unless all names are registered."""
        for name in names:
            try:
                self[name]
            except ConfigError as error:
                raise ValueError(f"{str(error)[0].lower()}{str(error)[1:].rstrip('.')}") from None

    def _open(self) -> None:
        if not self._opened:
            self._opened = True
            for home in self.homes:
                importlib.import_module(home)


class Choice(Settings):
    """What a group of a configuration names: a registered kind with its arguments, as plain values.

    On a user's own command line, and in his own YAML, ``_target_`` may name a class of his instead. A folder that is
    read may not (`runs.RunFolder` refuses it).
    """

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, allow_inf_nan=False, populate_by_name=True)
    kind: str | None = None
    target: str | None = Field(default=None, alias="_target_")

    @model_validator(mode="after")
    def _names_one_thing(self) -> Choice:
        if (self.kind is None) == (self.target is None):
            raise ValueError("name either a registered kind=..., or a class of your own as _target_=...")
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_not_named(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {
            key: value
            for key, value in dump(self).items()
            if value is not None or key not in ("kind", "_target_", "target")
        }

    @property
    def arguments(self) -> dict[str, Any]:
        """The keys beside the name."""
        return dict(self.__pydantic_extra__ or {})

    def build(self, registry: Mapping[str, Any], key: str, *leading: Any) -> Any:
        """What the choice names, called with its arguments.

        Args:
            registry: of the kinds; a class is called, and of other entries their ``build``.
            key: of the group, for the message.
            leading: positional arguments that stand before those of the configuration.

        Raises:
            ConfigError: if there is no such thing, or it does not take the arguments.
            MixlabError: of the thing itself.
        """
        made = self.named(registry, key)
        if not (inspect.isclass(made) and issubclass(made, Settings)):
            check_arguments(made, self.arguments, key, skip=len(leading))
        else:
            return parse(self.arguments, made, key)
        try:
            return made(*leading, **self.arguments)
        except MixlabError:
            raise
        except (TypeError, ValueError) as error:
            first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise ConfigError(f"The keys of {key} do not fit '{self.kind or self.target}' ({first}).") from error

    def named(self, registry: Mapping[str, Any], key: str) -> Callable[..., Any]:
        """What the choice names, not yet called.

        Raises:
            ConfigError: if there is no such thing.
        """
        if self.kind is not None:
            entry = registry[self.kind]
            return entry if inspect.isclass(entry) else getattr(entry, "build", entry)
        try:
            return pkgutil.resolve_name(str(self.target))
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigError(f"{key}._target_ is '{self.target}', which cannot be imported ({error}).") from error


def names_code(node: Any, key: str = "") -> str | None:
    """Why values that a folder holds are not taken over: what would be imported, called or looked up.

    Returns:
        The predicate of a sentence, whose subject is the file; None where all are registered names and plain values.
    """
    if isinstance(node, str) and RESOLVER.search(node):
        return (
            f"asks for a value of this machine ({key}: {node[:60]!r}), and nothing that a folder names is looked up; "
            "write the value itself."
        )
    parts = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()
    for name, value in parts:
        where = f"{key}[{name}]" if isinstance(node, list) else f"{key}.{name}" if key else str(name)
        if name == "_target_":
            return (
                f"names '{str(value)[:60]}' to be called ({where}), and nothing that a folder names is called; name "
                "your own class on the command line, as the run's own did, or register it by plugins=[...] there."
            )
        if name == "plugins" and value:
            return (
                f"names modules to be imported ({where}: {str(value)[:60]}), and nothing that a folder names is; name "
                "them on the command line, as in plugins=[my_lab.module]."
            )
        if where in ("defaults", "hydra"):
            return (
                f"has the key '{where}', by which Hydra composes; what a folder holds is composed already: remove it."
            )
        if found := names_code(value, where):
            return found
    return None


def check_arguments(called: Callable[..., Any], values: Mapping[str, Any], key: str, skip: int = 0) -> None:
    """Check keyword arguments against the signature of what takes them, types included.

    Args:
        key: of the arguments in the configuration, for the message.
        skip: leading parameters that are not among `values`.

    Raises:
        ConfigError: naming the first key that is unknown, missing or of a wrong type.
    """
    try:
        signature = inspect.signature(called, eval_str=True)
    except NameError:
        # Annotated with names that only a type checker imports: the keys are checked, and not their types.
        signature = inspect.signature(called)
        untyped = [p.replace(annotation=Any) for p in signature.parameters.values()]
        signature = signature.replace(parameters=untyped)
    parameters = [
        p for p in list(signature.parameters.values())[skip:] if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    if any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        return
    fields: dict[str, Any] = {
        p.name: (
            Any if p.annotation is p.empty or isinstance(p.annotation, str) else p.annotation,
            ... if p.default is p.empty else p.default,
        )
        for p in parameters
    }
    model = create_model("Arguments", __base__=_Arguments, **fields)
    if left := [name for name, value in values.items() if value == "???"]:
        raise ConfigError(f"The key '{key}.{left[0]}' has no value; set it, as in {key}.{left[0]}=...")
    try:
        model.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(sentence(error, model, key)) from None


class _Arguments(Settings):
    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)


def load_plugins(names: Sequence[str]) -> None:
    """Import the modules that a user names, and those of installed packages that announce themselves.

    Raises:
        ConfigError: naming the module that cannot be imported.
    """
    for entry in metadata.entry_points(group=ENTRY_POINTS):
        _load(entry.value.partition(":")[0], f"the entry point '{entry.name}'")
    for name in names:
        _load(name, f"plugins holds '{name}', which")


def _load(module: str, words: str) -> None:
    try:
        importlib.import_module(module)
    except MixlabError:
        raise
    except Exception as error:
        raise ConfigError(
            f"{words[0].upper()}{words[1:]} cannot be imported ({type(error).__name__}: {error}); install it, or put "
            "its folder on PYTHONPATH."
        ) from error


def _place(entry: Any) -> tuple[str, str]:
    """Where an entry is defined (or says that it is): a module that is imported anew registers the same again."""
    if isinstance(own := getattr(entry, "place", None), tuple):
        return own
    kind = entry if inspect.isclass(entry) or inspect.isfunction(entry) else type(entry)
    return kind.__module__, kind.__qualname__
