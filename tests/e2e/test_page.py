"""The web page in a real browser. Against the server at CAIRN_URL, else against the stand-in engine.

Needs pytest, playwright and a Chromium (CHROMIUM names it, else /usr/bin/chromium, else playwright's own).
"""

import os
import re

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
import fake_engine  # noqa: E402

REAL_URL = os.environ.get("CAIRN_URL", "").rstrip("/")
only_fake = pytest.mark.skipif(bool(REAL_URL), reason="needs the stand-in engine's canned answers")
ANSWER_TIMEOUT = 60_000


@pytest.fixture(scope="session")
def browser():
    path = os.environ.get("CHROMIUM") or ("/usr/bin/chromium" if os.path.exists("/usr/bin/chromium") else None)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def engine():
    """The stand-in, or None when a real server is tested."""
    if REAL_URL:
        yield None
    else:
        server = fake_engine.start()
        yield server
        server.shutdown()


@pytest.fixture(scope="session")
def url(engine):
    return REAL_URL or f"http://127.0.0.1:{engine.server_address[1]}"


@pytest.fixture
def open_page(browser, url):
    """Opens the page in a context of its own; fails the test on any script error."""
    contexts, errors = [], []

    def open_at(width=1280, height=800, address=url, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address + "/")
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert errors == []


def ask(page, text):
    page.fill("#prompt", text)
    page.press("#prompt", "Enter")


def wait_for_answers(page, count=1):
    page.wait_for_function(
        "n => document.querySelectorAll('.assistant[aria-busy=false]').length >= n", arg=count, timeout=ANSWER_TIMEOUT
    )


def test_page_loads_nothing_but_itself(open_page, url):
    page = open_page()
    loaded = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert all(name.startswith(url) for name in loaded)
    own = [name for name in loaded if not re.search(r"/(v1/models|live|favicon.ico)$", name)]
    assert own == []


def test_enter_sends_and_the_answer_streams(open_page):
    page = open_page()
    page.wait_for_function("document.getElementById('model').value !== ''")
    ask(page, "Say hello.")
    assert page.locator(".user").inner_text() == "Say hello."
    assert page.input_value("#prompt") == ""
    wait_for_answers(page)
    assert page.locator(".assistant .text").inner_text().strip() != ""
    footer = page.locator(".assistant footer").inner_text()
    assert re.search(r"\d+ tokens?", footer) and re.search(r"first token \d+\.\d\d s", footer)
    ask(page, "And again.")
    wait_for_answers(page, 2)


def test_shift_enter_starts_a_line(open_page):
    page = open_page()
    page.fill("#prompt", "one")
    page.press("#prompt", "Shift+Enter")
    page.keyboard.type("two")
    assert page.input_value("#prompt") == "one\ntwo"
    assert page.locator(".user").count() == 0


def test_escape_stops_the_answer_and_keeps_it(open_page):
    page = open_page()
    ask(page, "long" if not REAL_URL else "Count from one to five hundred, one number a line.")
    page.wait_for_function("document.querySelector('.assistant .text')?.textContent.length > 10", timeout=ANSWER_TIMEOUT)
    assert page.locator("#stop").is_visible()
    page.keyboard.press("Escape")
    wait_for_answers(page)
    assert "stopped" in page.locator(".assistant footer").inner_text()
    assert page.locator("#send").is_visible() and page.locator("#stop").is_hidden()
    assert page.locator(".error").count() == 0


def test_new_chat_clears_even_a_running_answer(open_page):
    page = open_page()
    ask(page, "long" if not REAL_URL else "Count from one to five hundred, one number a line.")
    page.wait_for_selector(".assistant")
    page.click("#new-chat")
    assert page.locator(".message").count() == 0
    assert page.locator("#empty").is_visible() and page.locator("#send").is_visible()
    page.wait_for_timeout(300)
    assert page.locator(".message").count() == 0
    ask(page, "Say hello.")
    wait_for_answers(page)


def test_live_view_shows_the_engine(open_page):
    page = open_page()
    page.wait_for_function("document.getElementById('live-state').textContent === 'live'")
    page.wait_for_function("/^[\\d,]+ of [\\d,]+ /.test(document.getElementById('blocks-now').textContent)")
    assert re.fullmatch(r"[\d,]+", page.inner_text("#running"))
    if REAL_URL:
        ask(page, "Say hello.")
        wait_for_answers(page)
    page.wait_for_function("document.getElementById('step-now').textContent.startsWith('last:')")
    painted = """id => {
        const canvas = document.getElementById(id);
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        return pixels.some(value => value !== 0);
    }"""
    for canvas in ("generation", "prompt-rate", "requests", "steps", "blocks"):
        assert page.evaluate(painted, canvas), canvas


@pytest.mark.parametrize("width", [360, 390, 860, 861, 1280])
def test_nothing_sticks_out_at_any_width(open_page, width):
    page = open_page(width=width, height=740)
    ask(page, "markdown" if not REAL_URL else "Say hello.")
    wait_for_answers(page)
    page.click("summary:has-text('System prompt')")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for control in ("#prompt", "#send", "#new-chat"):
        box = page.locator(control).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width, control


def test_keyboard_alone_reaches_every_control(open_page):
    page = open_page()
    page.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or page.evaluate("document.activeElement === document.body")
    assert {"new-chat", "messages", "SUMMARY", "prompt", "send"} <= reached


def test_every_control_has_a_name_and_the_answer_is_announced(open_page):
    page = open_page()
    unnamed = page.evaluate(
        """[...document.querySelectorAll('input, textarea, select, canvas')].filter(
            node => !node.labels?.length && !node.getAttribute('aria-label')).map(node => node.id || node.name)"""
    )
    assert unnamed == []
    assert page.get_attribute("#messages", "aria-live") == "polite"


def test_dark_and_light_follow_the_system(open_page):
    ground = "getComputedStyle(document.body).backgroundColor"
    brightness = lambda colour: sum(map(int, re.findall(r"\d+", colour)[:3]))  # noqa: E731
    light = open_page(color_scheme="light").evaluate(ground)
    dark = open_page(color_scheme="dark").evaluate(ground)
    assert brightness(light) > 600 and brightness(dark) < 150


def test_reduced_motion_stops_animations(open_page):
    page = open_page(reduced_motion="reduce")
    ask(page, "Say hello.")
    page.wait_for_selector(".assistant")
    assert page.evaluate("document.getAnimations().length") == 0
    wait_for_answers(page)


@only_fake
def test_markdown_is_rendered_and_nothing_becomes_markup(open_page):
    page = open_page()
    ask(page, "markdown")
    wait_for_answers(page)
    text = page.locator(".assistant .text")
    assert text.locator(".title").inner_text() == "Three stones"
    assert text.locator("ol li").count() == 3 and text.locator("ul li").count() == 2
    assert "# <b>not markup</b>" in text.locator("pre code").inner_text()
    assert text.locator("strong").first.inner_text() == "path" and text.locator("em").inner_text() == "none"
    ask(page, "hostile")
    wait_for_answers(page, 2)
    last = page.locator(".assistant .text").last
    assert last.locator("img, script, b").count() == 0
    assert "onerror" in last.inner_text() and page.title() != "broken"


@only_fake
def test_settings_reach_the_request_and_survive_a_reload(open_page, engine):
    page = open_page()
    page.click("summary:has-text('System prompt')")
    page.fill("#system", "Be brief.")
    for name, value in {"temperature": "0.5", "top_p": "0.9", "top_k": "40", "min_p": "0.05", "max_tokens": "3"}.items():
        page.fill(f"[name={name}]", value)
    page.fill("[name=seed]", "7")
    ask(page, "settings")
    wait_for_answers(page)
    sent = engine.engine.requests[-1]
    assert sent["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "settings"}]
    assert [sent[name] for name in ("temperature", "top_p", "top_k", "min_p", "max_tokens", "seed")] == [
        0.5, 0.9, 40, 0.05, 3, 7,
    ]  # fmt: skip
    assert sent["model"] == "fake-135m" and sent["stream_options"] == {"include_usage": True}
    assert "cut at the token limit" in page.locator(".assistant footer").inner_text()
    page.reload()
    assert page.input_value("#system") == "Be brief." and page.input_value("[name=top_k]") == "40"


@only_fake
def test_the_conversation_is_sent_whole(open_page, engine):
    page = open_page()
    for count, text in enumerate(("first", "second"), start=1):
        ask(page, text)
        wait_for_answers(page, count)
    assert [message["content"] for message in engine.engine.requests[-1]["messages"]] == [
        "first", "You said: first", "second",
    ]  # fmt: skip


@only_fake
def test_errors_are_readable_and_can_be_tried_again(open_page):
    page = open_page()
    ask(page, "fail")
    page.wait_for_selector(".error")
    assert "Error 400: temperature must be non-negative, got -1.0." in page.locator(".error").inner_text()
    assert page.locator(".assistant").count() == 0
    page.click(".error button")
    page.wait_for_function("document.querySelectorAll('.error').length === 1")
    page.click("#new-chat")
    ask(page, "break")
    page.wait_for_selector(".error")
    assert "connection ended" in page.locator(".error").inner_text()
    assert page.locator(".assistant .text").inner_text().startswith("You sai")


@only_fake
def test_api_key_is_asked_for_and_used(open_page):
    server = fake_engine.start(api_key="secret")
    page = open_page(address=f"http://127.0.0.1:{server.server_address[1]}")
    page.wait_for_selector("#key", state="visible")
    page.fill("#key", "secret")
    page.press("#key", "Enter")
    page.wait_for_function("document.getElementById('model').value === 'fake-135m'")
    page.wait_for_function("document.getElementById('live-state').textContent === 'live'")
    ask(page, "hello")
    wait_for_answers(page)
    assert page.locator("#key-form").is_hidden()
    server.shutdown()
