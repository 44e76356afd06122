"""Chromium walks a whole session: audio is switched and heard, every scale rated, on a desktop and on a phone."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SIZES = {"desktop": {"width": 1200, "height": 900}, "phone": {"width": 375, "height": 740}}
CHROMIUM = "/usr/bin/chromium"


@pytest.fixture
def address(study):
    """Where the study is served, by a real server in a thread."""
    uvicorn = pytest.importorskip("uvicorn")
    from mixlab.study.app import create_app

    server = uvicorn.Server(uvicorn.Config(create_app(study, "secret"), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).exists():
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.parametrize("size", SIZES)
def test_a_person_walks_through_a_whole_session(study, address, browser, size, tmp_path):
    page = browser.new_page(viewport=SIZES[size])
    problems = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.append(request.url) if not request.url.startswith(address) else None)

    def look(name):
        wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        assert not wide, f"{name} is wider than the screen"
        page.screenshot(path=tmp_path / f"{name}.png", full_page=True)

    (token,) = study.invite(1)
    page.goto(f"{address}/i/{token}")
    look("welcome")
    page.get_by_label("I agree.").check()
    page.get_by_role("button", name="Begin").click()
    page.get_by_label("For how many years").fill("12")
    page.get_by_label("Mixing engineer").check()
    page.get_by_label("Jazz").check()
    look("background")
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Headphones").check()
    page.get_by_role("button", name="Play the noise").click()
    page.get_by_label("The level is set").check()
    words = {1: "The first", 2: "The second", 3: "The third"}
    for index, tone in enumerate(study.folder.manifest.tones):
        page.locator(".tone").nth(index).get_by_label(words[tone.quietest]).check()
    look("sound")
    page.get_by_role("button", name="Go on").click()

    for number in range(1, 9):
        page.wait_for_selector(f"main[data-number='{number}'][data-stage=advice]")
        if number == 1:
            switch_and_keep_the_position(page)
            look("advice")
        rate(page, ("actionability", "conventions"))
        page.get_by_role("button", name="Lock").click()
        page.wait_for_selector("main[data-stage=after]")
        if number == 1:
            page.get_by_label("Mix after the advice").check()
            page.get_by_role("button", name="Start audio").click()
            until(page, "player.playing && player.chosen === 1")
        rate(page, ("effectiveness",))
        page.locator("#comment").fill(f"heard {number}")
        if number == 1:
            look("after")
        page.get_by_role("button", name="Finish").click()
    page.wait_for_selector("main[data-stage=pair]")
    page.locator("[data-pair]").get_by_label("Advice B").check()
    look("pair")
    page.get_by_role("button", name="Finish").click()
    page.get_by_role("button", name="End the session").click()
    page.get_by_role("heading", name="Thank you").wait_for()
    look("done")
    assert problems == []
    with study.database.reading() as db:
        from sqlalchemy import select

        from mixlab.study.database import Participant

        person = db.scalar(select(Participant))
        assert person.headphone_check_passed
        assert person.finished
        given = [sorted(r.rating for r in trial.ratings) for trial in person.trials[:-1]]
        assert given == [[4, 4, 4]] * 8
        assert [t.comment for t in person.trials[:-1]] == [f"heard {n}" for n in range(1, 9)]
        assert person.trials[-1].preferred == 1


def until(page, condition):
    """Waits for a condition in the page, whose policy forbids the waiting that evaluates text by itself."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came: {condition}")


def rate(page, criteria):
    for name in criteria:
        page.locator(f"fieldset[data-criterion={name}] input[value='4']").check()


def switch_and_keep_the_position(page):
    """Plays, switches, and sees that one clip is heard and that the clock runs on."""
    page.get_by_role("button", name="Start audio").click()
    until(page, "player.playing && player.now() > 0.5")
    before = page.evaluate("player.now()")
    page.get_by_label("Bass alone").check()
    until(page, "player.playing.sources[1].gain.gain.value > 0.99")
    state = page.evaluate("[player.now(), player.playing.zero_s, player.playing.sources.map((s) => s.gain.gain.value)]")
    assert state[0] > before
    assert state[2][0] < 0.01
    page.get_by_label("Mix as it is").check()
    assert page.evaluate("player.playing.zero_s") == state[1]
    page.get_by_role("button", name="Pause").click()
    paused = page.evaluate("player.now()")
    page.get_by_role("button", name="Play").click()
    assert page.evaluate("player.position_s") == paused
    page.get_by_role("button", name="Pause").click()


def test_every_step_can_be_used_by_keyboard_and_screen_reader(study, address, browser):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = browser.new_page()

    def check():
        found = axe.run(page)
        assert found.violations_count == 0, found.generate_report()

    (token,) = study.invite(1)
    page.goto(f"{address}/i/{token}")
    check()
    page.get_by_label("I agree.").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_label("For how many years").fill("3")
    check()
    page.get_by_label("Producer").check()
    page.get_by_label("Pop", exact=True).check()
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Headphones").check()
    check()
    page.get_by_label("Loudspeakers").check()
    page.get_by_label("The level is set").check()
    page.get_by_role("button", name="Go on").click()
    page.wait_for_selector("main[data-stage=advice]")
    check()
    for name in ("actionability", "conventions"):
        page.locator(f"fieldset[data-criterion={name}] input").first.focus()
        page.keyboard.press("Space")
        page.keyboard.press("ArrowDown")
    page.get_by_role("button", name="Lock").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("main[data-stage=after]")
    check()
