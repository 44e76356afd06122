"""The page with nothing but a keyboard, to a screen reader's rules, on a phone, in light and dark."""

import io
import json
import zipfile

import pytest
import soundfile

pytest.importorskip("gradio")
pytest.importorskip("axe_playwright_python")

from axe_playwright_python.sync_playwright import Axe

from tests.web.test_load import demo_stems

pytestmark = pytest.mark.slow

GRADIOS_OWN = {}
"""Serious rules of axe that parts of Gradio break and that we cannot mend: rule -> reason. None at present."""

FOCUSED = """() => {
    const found = document.activeElement, style = getComputedStyle(found);
    const label = found.labels && found.labels.length ? found.labels[0].innerText : "";
    return {
        name: (found.getAttribute("aria-label") || label || found.innerText || "").trim(),
        group: found.closest("fieldset, [role=radiogroup]")?.innerText || "",
        seen: parseFloat(style.outlineWidth) >= 2 && style.outlineStyle !== "none",
        id: found.id,
        is_page: found === document.body,
    };
}"""


@pytest.fixture(scope="module")
def stems(tmp_path_factory):
    """A demo song of two segments as files; the name of the drums does not tell their role."""
    folder = tmp_path_factory.mktemp("song")
    for role, content in demo_stems(9.0, 20.0).items():
        (folder / ("take 3.wav" if role == "drums" else f"{role}.wav")).write_bytes(content)
    return sorted(folder.iterdir())


def opened(browser, server, **how):
    page = browser.new_page(**how)
    page.goto(server.address)
    page.wait_for_selector("#advise", timeout=60000)
    # Gradio moves the focus once all parts are there.
    page.wait_for_timeout(1000)
    return page


def tab_to(page, wanted, key="Tab"):
    """Press Tab until the focus is where the name, the id or the group say; every stop on the way shows where it is."""
    for _ in range(60):
        page.keyboard.press(key)
        stop = page.evaluate(FOCUSED)
        if not stop["is_page"]:
            assert stop["seen"], f"nobody sees that the focus is on {stop}"
        if (not stop["is_page"] and wanted in (stop["name"], stop["id"])) or wanted in stop["group"]:
            return stop
    raise AssertionError(f"Tab never came to '{wanted}'")


def test_everything_can_be_done_with_the_keyboard(server, browser, stems, tmp_path):
    page = opened(browser, server, accept_downloads=True)
    tab_to(page, "Click to upload or drop files")
    choosers = []
    page.on("filechooser", lambda chooser: choosers.append(chooser))
    for _ in range(20):
        page.keyboard.press("Enter")
        page.wait_for_timeout(1000)
        if choosers:
            break
    choosers[0].set_files([str(path) for path in stems])
    page.wait_for_function("document.querySelectorAll('.mx-wave').length === 4", timeout=120000)
    tab_to(page, "Anchor: stays where it is")
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.checked && document.activeElement.value") == "bass"
    tab_to(page, "Role of take 3.wav")
    # Each choice of Gradio's is a stop of its own, and the space bar takes it.
    while page.evaluate("document.activeElement.value") != "drums":
        assert "take 3.wav" in page.evaluate(FOCUSED)["group"]
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.checked && document.activeElement.value") == "drums"
    tab_to(page, "What you hear, or a question (optional)")
    page.keyboard.type("The drums are too loud")
    tab_to(page, "advise")
    page.keyboard.press("Enter")
    page.wait_for_selector(".mx-player", timeout=300000)
    tab_to(page, "Start audio")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('[data-state]').textContent === 'Playing before.'", timeout=60000)
    tab_to(page, "Before")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('[data-state]').textContent === 'Playing after.'")
    tab_to(page, "Position")
    page.keyboard.press("ArrowRight")
    tab_to(page, "Solo drums")
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    tab_to(page, "Mute bass", key="Shift+Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    tab_to(page, "apply")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=True peak of the mix", timeout=120000)
    tab_to(page, "Rebalanced stems and their mix (ZIP of 24-bit WAV)")
    with page.expect_download() as started:
        page.keyboard.press("Enter")
    started.value.save_as(tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert sorted(archive.namelist()) == ["bass.wav", "mix.wav", "other.wav", "take 3.wav", "vocals.wav"]
        assert soundfile.info(io.BytesIO(archive.read("mix.wav"))).frames > 0
    tab_to(page, "All of the advice (JSON)")
    with page.expect_download() as started:
        page.keyboard.press("Enter")
    started.value.save_as(tmp_path / "advice.json")
    files = json.loads((tmp_path / "advice.json").read_text())["files"]
    assert {file["name"]: file["role"] for file in files}["take 3.wav"] == "drums"
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_screen(server, browser, stems, scheme, width):
    page = opened(browser, server, color_scheme=scheme, viewport={"width": width, "height": 844})
    requests = []
    page.on("request", lambda request: requests.append(request.url))

    def check(state):
        found = Axe().run(page).response["violations"]
        serious = [
            (rule["id"], [node["html"][:200] for node in rule["nodes"]])
            for rule in found
            if rule["impact"] in ("serious", "critical") and rule["id"] not in GRADIOS_OWN
        ]
        assert serious == [], state
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0, state

    check("empty")
    page.click("#advise")
    page.wait_for_selector(".mx-error")
    check("refused")
    page.set_input_files("input[type=file]", [str(path) for path in stems])
    page.wait_for_function("document.querySelectorAll('.mx-wave').length === 4", timeout=120000)
    page.locator("fieldset", has_text="Role of take 3.wav").locator("input[value=drums]").check()
    page.click("#advise")
    page.wait_for_selector(".mx-player", timeout=300000)
    page.click("summary")
    page.click("[data-play]")
    page.click("[data-solo=drums]")
    page.click("#apply")
    page.wait_for_selector("text=True peak of the mix", timeout=120000)
    check("advised, playing and applied")
    page.close()
    assert all(url.startswith((server.address, "data:", "blob:")) for url in requests)
