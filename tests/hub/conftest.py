"""A small run folder to publish, and a Hub that listens on this machine alone."""

import base64
import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest
import torch
import yaml

from mixlab.models.adapters import LANGUAGE_MODEL_LINEARS, lora
from mixlab.models.backbones.tiny import Tiny
from mixlab.models.checkpoints import Description, fingerprint, save_trained
from tests.conftest import composed

COMMIT = "0123456789abcdef0123456789abcdef01234567"
DESCRIPTION = Description(
    builder="tiny",
    arguments={"base": "listener", "seed": 0},
    feature_mean=None,
    feature_deviation=None,
    inputs="stems",
    anchors=["bass"],
    stems=["bass", "drums", "vocals", "other"],
    segment_s=10.0,
    headroom_dbfs=-32.0,
    max_new_tokens=24,
)
METRICS = {
    "test/joint_accuracy": 0.78, "test/joint_accuracy_low": 0.74, "test/joint_accuracy_high": 0.82,
    "test/items": 618.0, "test/songs": 309.0, "test/genre=jazz/joint_accuracy": 0.8,
    "test/gain_mae_db": 1.9, "test/gain_mae_db_low": 1.8, "test/gain_mae_db_high": 2.0,
    "baselines/loudness_rule_genre/joint_accuracy": 0.824,
    "baselines/loudness_rule_genre/model_lead": -0.044,
    "baselines/loudness_rule_genre/model_lead_low": -0.073,
    "baselines/loudness_rule_genre/model_lead_high": -0.015,
    "baselines/text_only/joint_accuracy": 0.207,
    "baselines/oracle/joint_accuracy": 0.877,
}  # fmt: skip
"""Figures of an evaluation, flat, as metrics.json holds them."""


@pytest.fixture(scope="session")
def run_config():
    """The resolved configuration of a run over a few demo songs."""
    return composed("+experiment=bass_anchor", "dataset=demo_small")


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory, run_config):
    """A run folder: an adapter with a trained projector on the shipped base, a configuration and figures."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    base = Tiny(base="listener").build()
    description = DESCRIPTION.but(base_fingerprint=fingerprint(base.model))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = lora(base, 2, 4, 0.0, LANGUAGE_MODEL_LINEARS, train_projector=True)
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.02)
    save_trained(folder / "adapter", replace(base, model=model), description)
    (folder / "config.yaml").write_text(yaml.safe_dump(run_config))
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    return folder


class FakeHub:
    """The few routes of the Hub that making a repository, one commit, and fetching a snapshot take.

    Attributes:
        repos: by kind and name: whether private, and files by path.
        seen: requests as method, path and what they said of who asks.
        refuse: an HTTP status for every further request, or None.
    """

    def __init__(self):
        self.repos, self.seen, self.refuse = {}, [], None
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                hub.answer(self, b"")

            do_HEAD = do_GET

            def do_POST(self):
                hub.answer(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, request, body):
        path = unquote(request.path.split("?")[0])
        self.seen.append((request.command, path, request.headers.get("Authorization")))
        if self.refuse:
            return self._send(request, {"error": "refused"}, self.refuse)
        if path == "/api/validate-yaml":
            return self._send(request, {"errors": [], "warnings": []})
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'someone'}/{asked['name']}"
            key = (asked.get("type", "model"), name)
            if key in self.repos:
                return self._send(request, {"error": "exists", "url": f"{self.endpoint}/{name}"}, 409)
            private = asked.get("private") or asked.get("visibility") == "private"
            self.repos[key] = {"private": private, "files": {}, "sdk": asked.get("sdk")}
            return self._send(request, {"url": f"{self.endpoint}/{name}", "id": name})
        parts = path.strip("/").split("/")
        if parts[0] == "api":
            return self._api(request, parts[1].removesuffix("s"), "/".join(parts[2:4]), parts[4:], body)
        return self._file(request, ("model", "/".join(parts[:2])), "/".join(parts[4:]))

    def _api(self, request, kind, name, rest, body):
        repo = self.repos.get((kind, name))
        if repo is None:
            return self._send(request, {"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        if rest[:1] == ["preupload"]:
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in json.loads(body)["files"]
            ]
            return self._send(request, {"files": files})
        if rest[:1] == ["commit"]:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    repo["files"][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            page = f"{self.endpoint}/{name}/commit/{COMMIT}"
            return self._send(request, {"success": True, "commitOid": COMMIT, "commitUrl": page})
        if rest[:1] == ["revision"] and rest[1] not in ("main", COMMIT):
            return self._send(request, {"error": "Invalid rev id"}, 404, {"X-Error-Code": "RevisionNotFound"})
        siblings = [{"rfilename": path} for path in repo["files"]]
        if rest[:1] == ["tree"]:
            tree = [
                {"type": "file", "path": path, "size": len(content), "oid": COMMIT}
                for path, content in repo["files"].items()
            ]
            return self._send(request, tree)
        return self._send(
            request, {"id": name, "private": repo["private"], "sha": COMMIT, "siblings": siblings, "tags": []}
        )

    def _file(self, request, key, path):
        content = self.repos.get(key, {"files": {}})["files"].get(path)
        if content is None:
            return self._send(request, {"error": "no such file"}, 404, {"X-Error-Code": "EntryNotFound"})
        headers = {"ETag": f'"{hash(content):x}"'.replace("-", ""), "X-Repo-Commit": COMMIT}
        return self._send(request, content, 200, headers)

    def _send(self, request, content, status=200, headers=None):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        request.send_response(status)
        for name, value in {
            "Content-Length": str(len(body)),
            "Content-Type": "application/json",
            **(headers or {}),
        }.items():
            request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)


@pytest.fixture
def fake_hub():
    """A Hub on the loopback."""
    hub = FakeHub()
    yield hub
    hub.server.shutdown()
    hub.server.server_close()
