"""The page in a real browser and the API over a live server: upload, advice, players, apply, downloads."""

import io
import json
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest
import soundfile

from mixlab.audio.loudness import integrated_lufs, k_weighted_power

pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
pytestmark = pytest.mark.slow


def lufs(samples, rate):
    return float(integrated_lufs(k_weighted_power(samples.T, rate)))


def fetched(address):
    with urllib.request.urlopen(address, timeout=60) as response:
        return response.read()


def test_real_stems_are_advised_played_applied_and_downloaded(server, potassium, browser, tmp_path):
    page = browser.new_page(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    requests, errors, refused = [], [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(server.address)
    page.wait_for_selector("#advise", timeout=60000)
    page.set_input_files("input[type=file]", [str(path) for path in potassium])
    page.wait_for_function("document.querySelectorAll('.mx-wave').length === 4", timeout=120000)
    page.click("#advise")
    page.wait_for_selector(".mx-player", timeout=300000)
    element = page.locator(".mx-player")
    files, gains = (json.loads(element.get_attribute(f"data-{name}")) for name in ("files", "gains"))
    stems = {role: soundfile.read(io.BytesIO(fetched(server.address + address))) for role, address in files.items()}
    loudness = {
        version: lufs(sum(samples * by_role[role] for role, (samples, _) in stems.items()), stems["bass"][1])
        for version, by_role in gains.items()
    }
    assert loudness["after"] == pytest.approx(loudness["before"], abs=0.1)
    page.click("[data-play]")
    page.wait_for_function("document.querySelector('[data-state]').textContent === 'Playing before.'", timeout=60000)
    page.click("[data-version=after]")
    page.wait_for_function("document.querySelector('[data-state]').textContent === 'Playing after.'")
    page.click("#apply")
    page.wait_for_selector("text=True peak of the mix", timeout=120000)
    advice = json.loads(fetched(server.address + page.locator("a[href$='advice.json']").get_attribute("href")))
    assert any(advice["gains_db"].values())
    with page.expect_download() as started:
        page.click("a[href$='rebalanced.zip']")
    started.value.save_as(tmp_path / "out.zip")
    originals = {path.name: soundfile.read(path) for path in potassium}
    changes = {}
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert sorted(archive.namelist()) == ["bass.wav", "drums.wav", "mix.wav", "other.wav", "vocals.wav"]
        for name, original in originals.items():
            written = soundfile.read(io.BytesIO(archive.read(name)))
            changes[Path(name).stem] = lufs(*written) - lufs(*original)
    for role, change_lu in changes.items():
        assert change_lu - changes["bass"] == pytest.approx(advice["gains_db"][role], abs=0.1)
    assert all(url.startswith((server.address, "data:", "blob:")) for url in requests)
    assert errors == []
    assert refused == []
    page.close()


def test_listening_stops_when_it_is_cancelled(server, potassium, browser):
    page = browser.new_page()
    page.goto(server.address)
    page.wait_for_selector("#advise", timeout=60000)
    page.set_input_files("input[type=file]", [str(path) for path in potassium])
    page.wait_for_function("document.querySelectorAll('.mx-wave').length === 4", timeout=120000)
    page.click("#advise")
    page.wait_for_selector(".mx-progress", timeout=60000)
    page.click("#cancel")
    page.wait_for_selector("text=Cancelled.", timeout=30000)
    page.wait_for_timeout(5000)
    assert page.locator(".mx-player").count() == 0
    page.close()


def test_names_and_words_are_shown_as_text(server, potassium, browser, tmp_path):
    page = browser.new_page()
    page.goto(server.address)
    page.wait_for_selector("#advise", timeout=60000)
    names = ["bass <img src=x onerror=document.title='owned'>.wav", "drums.wav"]
    packed = tmp_path / "stems.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for name, path in zip(names, potassium, strict=False):
            archive.write(path, name)
    page.set_input_files("input[type=file]", str(packed))
    page.wait_for_function("document.querySelectorAll('.mx-wave').length === 2", timeout=120000)
    assert names[0] in page.inner_text(".mx-track-name >> nth=0")
    assert page.title() == "mixlab"
    assert page.locator("img[src=x]").count() == 0
    page.close()


def test_a_program_gets_the_same_advice_and_a_sentence_where_it_is_refused(server, potassium, tmp_path):
    from gradio_client import Client, handle_file

    client = Client(server.address, verbose=False)
    asked = {"anchor": "bass", "words": "", "roles": {}, "genre": "", "ignore_below_db": 1.0, "apply": False}
    advice = client.predict(files=[handle_file(str(path)) for path in potassium], **asked, api_name="/advise")
    assert {stem["stem"] for stem in advice["advice"]} <= {"drums", "other", "vocals"}
    assert (
        json.loads(fetched(server.address + advice["downloads"]["All of the advice (JSON)"]))["text"] == advice["text"]
    )
    (tmp_path / "bass.wav").write_text("hello")
    with pytest.raises(Exception, match=r"bass\.wav cannot be read as audio"):
        client.predict(files=[handle_file(str(tmp_path / "bass.wav"))], **asked, api_name="/advise")
