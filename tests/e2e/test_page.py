"""The web page in a real browser: every test against a stand-in engine, and those that need no canned answers against the
server of the other tests too.

Needs pytest, playwright and a Chromium (CHROMIUM names it, else /usr/bin/chromium, else playwright's own).
"""

import os
import re

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
import fake_engine  # noqa: E402
from server_tools import connect, long_chat, own_server, raw_request, wait_idle, wait_running  # noqa: E402

only_fake = pytest.mark.parametrize("engine", ["stand-in"], indirect=True)
ANSWER_TIMEOUT = 60_000
# A model's answers are short and the same each time, unless a test wants a long one.
SETTINGS = """if (location.protocol === 'http:') {
    localStorage.setItem('cairn.max_tokens', 48);
    localStorage.setItem('cairn.temperature', 0);
}"""
LONG = {"stand-in": "long", "server": "Write a very long story about a stone that wanders over the mountains."}


@pytest.fixture(scope="session")
def browser():
    path = os.environ.get("CHROMIUM") or ("/usr/bin/chromium" if os.path.exists("/usr/bin/chromium") else None)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session", params=["stand-in", "server"])
def engine(request):
    """The stand-in, whose `engine` tells what it was asked, or None for the server."""
    if request.param == "server":
        request.getfixturevalue("cairn_url")
        yield None
    else:
        server = fake_engine.start()
        yield server
        server.shutdown()


@pytest.fixture(scope="session")
def url(engine, request):
    return f"http://127.0.0.1:{engine.server_address[1]}" if engine else request.getfixturevalue("cairn_url")


@pytest.fixture
def open_page(browser, url, engine):
    """Opens the page in a context of its own; fails the test on any script error."""
    contexts, errors = [], []

    def open_at(width=1280, height=800, address=url, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        if not engine:
            context.add_init_script(SETTINGS)
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


def ask_for_long(page, engine):
    if not engine:
        page.evaluate("document.querySelector('[name=max_tokens]').value = ''")
    ask(page, LONG["stand-in" if engine else "server"])


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
    page.evaluate("""() => {
        window.lengths = new Set();
        const look = () => window.lengths.add(document.querySelector('.assistant .text')?.textContent.length ?? 0);
        new MutationObserver(look).observe(document.getElementById('messages'), {childList: true, subtree: true});
    }""")
    ask(page, "Say hello.")
    assert page.locator(".user").inner_text() == "Say hello."
    assert page.input_value("#prompt") == ""
    wait_for_answers(page)
    assert page.evaluate("window.lengths.size") >= 4, "the answer came in pieces"
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


def test_escape_stops_the_answer_and_keeps_it(open_page, url, engine):
    page = open_page()
    ask_for_long(page, engine)
    page.wait_for_function("document.querySelector('.assistant .text')?.textContent.length > 10", timeout=ANSWER_TIMEOUT)
    assert page.locator("#stop").is_visible()
    page.keyboard.press("Escape")
    wait_for_answers(page)
    assert "stopped" in page.locator(".assistant footer").inner_text()
    assert page.locator("#send").is_visible() and page.locator("#stop").is_hidden()
    assert page.locator(".error").count() == 0
    if not engine:
        wait_idle(url)


def test_new_chat_clears_even_a_running_answer(open_page, url, engine):
    page = open_page()
    ask_for_long(page, engine)
    page.wait_for_selector(".assistant")
    if not engine:
        wait_running(url)
    page.click("#new-chat")
    assert page.locator(".message").count() == 0
    assert page.locator("#empty").is_visible() and page.locator("#send").is_visible()
    page.wait_for_timeout(300)
    assert page.locator(".message").count() == 0
    if not engine:
        wait_idle(url)
    ask(page, "Say hello.")
    wait_for_answers(page)


def test_live_view_shows_the_engine(open_page):
    page = open_page()
    page.wait_for_function("document.getElementById('live-state').textContent === 'live'")
    page.wait_for_function("/^[\\d,]+ of [\\d,]+ /.test(document.getElementById('blocks-now').textContent)")
    assert re.fullmatch(r"[\d,]+", page.inner_text("#running"))
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
def test_nothing_sticks_out_at_any_width(open_page, engine, width):
    page = open_page(width=width, height=740)
    ask(page, "markdown" if engine else "Say hello.")
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
    assert {"new-chat", "messages", "SUMMARY", "prompt", "send", "engine"} <= reached


def tab_to(page, wanted):
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id || document.activeElement.tagName") == wanted:
            return
    raise AssertionError(f"Tab does not reach {wanted}")


def test_keyboard_alone_holds_a_conversation(open_page, engine):
    page = open_page()
    page.evaluate("document.activeElement.blur()")
    tab_to(page, "SUMMARY")
    page.keyboard.press("Enter")
    tab_to(page, "system")
    page.keyboard.type("Be brief.")
    tab_to(page, "prompt")
    page.keyboard.type("Say hello.")
    page.keyboard.press("Enter")
    wait_for_answers(page)
    assert page.evaluate("document.activeElement.id") == "prompt"
    page.keyboard.type("long" if engine else "Write a very long story.")
    page.keyboard.press("Enter")
    page.wait_for_selector("#stop", state="visible")
    tab_to(page, "stop")
    page.keyboard.press("Enter")
    page.wait_for_selector("#send", state="visible")
    assert page.evaluate("document.activeElement.id") == "prompt"
    tab_to(page, "new-chat")
    page.keyboard.press("Enter")
    assert page.locator(".message").count() == 0 and page.evaluate("document.activeElement.id") == "prompt"


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


@only_fake
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(open_page, scheme):
    page = open_page(color_scheme=scheme)
    ask(page, "markdown")
    wait_for_answers(page)
    ask(page, "fail")
    page.wait_for_selector(".error")
    page.click("summary:has-text('System prompt')")
    page.wait_for_function("document.getElementById('live-state').textContent === 'live'")
    faint = page.evaluate("""() => {
        const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
        const luminance = ([r, g, b]) => {
            const [x, y, z] = [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
            return .2126 * x + .7152 * y + .0722 * z;
        };
        const ground = node => {
            const colour = numbers(getComputedStyle(node).backgroundColor);
            return colour[3] === 0 ? ground(node.parentElement) : colour;
        };
        const ratio = node => {
            const both = [numbers(getComputedStyle(node).color), ground(node)].map(luminance).sort((a, b) => b - a);
            return (both[0] + .05) / (both[1] + .05);
        };
        return [...document.querySelectorAll('body *')]
            .filter(node => [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim()) || node.matches('input'))
            .filter(node => node.checkVisibility() && !node.matches('script, style') && ratio(node) < 4.5)
            .map(node => `${node.tagName} ${node.className} ${node.textContent.slice(0, 40)}: ${ratio(node).toFixed(2)}`);
    }""")
    assert faint == []


@only_fake
def test_opening_the_settings_hides_nothing_of_the_last_answer(open_page):
    page = open_page(width=390, height=640)
    for count in (1, 2):
        ask(page, "markdown")
        wait_for_answers(page, count)
    page.click("summary:has-text('System prompt')")
    end = "document.querySelector('.assistant:last-child footer').getBoundingClientRect().bottom"
    page.wait_for_function(f"{end} <= document.getElementById('messages').getBoundingClientRect().bottom", timeout=5000)


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


SHARED_BEGINNING = "Cairns are piles of stones that mark a way over bare ground. " * 12


@pytest.mark.parametrize("engine", ["server"], indirect=True)
def test_live_view_counts_what_the_engine_does(open_page):
    with own_server("--max-num-seqs", "3", max_model_len=2048) as (own, _):
        page = open_page(address=own)
        text = lambda name: page.inner_text(f"#{name}")  # noqa: E731
        page.wait_for_function("document.getElementById('live-state').textContent === 'live'")
        assert (text("running"), text("waiting")) == ("0", "0") and text("blocks-now").startswith("0 of ")
        system = {"role": "system", "content": SHARED_BEGINNING}
        requests = [raw_request(long_chat(stream=True, max_tokens=1500, messages=[
            system, {"role": "user", "content": f"Tell of cairn {number}."}])) for number in range(5)]
        crowd = [connect(own, requests[0])]
        page.wait_for_function("/1 decode, 1 request,/.test(document.getElementById('step-now').textContent)")
        crowd += [connect(own, request) for request in requests[1:]]  # they find the first one's beginning in the cache
        page.wait_for_function("document.getElementById('running').textContent === '3'")
        page.wait_for_function("document.getElementById('waiting').textContent === '2'")
        page.wait_for_function("Number(document.getElementById('generation-now').textContent.replace(',', '')) > 10")
        page.wait_for_function("/0 prefill \\+ 3 decode, 3 requests/.test(document.getElementById('step-now').textContent)")
        page.wait_for_function("/(^|; )[1-9]\\d* shared by/.test(document.getElementById('blocks-scale').textContent)")
        used, total = map(int, re.match(r"([\d,]+) of ([\d,]+) ", text("blocks-now").replace(",", "")).groups())
        assert 0 < used <= total
        for connection in crowd:
            connection.close()
        page.wait_for_function("document.getElementById('blocks-now').textContent.startsWith('0 of ')")
        assert (text("running"), text("waiting")) == ("0", "0")
        assert re.fullmatch(r"[1-9]\d? %", text("hits"))
