# the page of a running soma serve → each of the ten digits drawn by mouse moves is read; fingers and keys draw too, nothing jumps.
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from flowers import flowers
from houses import houses
from photograph import FONTS, SCHEMES, WIDTHS, browser, faults_of
from playwright.sync_api import sync_playwright
from strokes import DIGITS

soma, pictures = sys.argv[1], Path(sys.argv[2])
WATCH_SHIFTS = """() => { window.shifted = 0;
  new PerformanceObserver((list) => { for (const e of list.getEntries()) window.shifted += e.value; }).observe({ type: "layout-shift" }); }"""


def train(out, data):
    more = ["--set", "data.limit=12000"] if data == "mnist" else ["--set", "data.count=12000"]
    subprocess.run([soma, "train", "mnist-lenet", "--data", data, *more, "--epochs", "2", "--out", str(out), "--quiet"], check=True)


def serve(model, token=""):
    server = subprocess.Popen([soma, "serve", str(model), "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True,
                              env=os.environ | {"SOMA_TOKEN": token})
    for line in server.stdout:
        if found := re.search(r"http://\S+", line):
            return server, found[0]
    raise SystemExit("soma serve ended before it listened")


def open_page(chrome, url, **kind):
    tab = chrome.new_page(**kind)
    tab.said = []
    tab.on("console", lambda message: tab.said.append(message.text))
    tab.on("pageerror", lambda error: tab.said.append(str(error)))
    tab.on("request", lambda request: None if request.url.startswith((url, "data:")) else tab.said.append(f"asks for {request.url}"))
    tab.goto(url)
    tab.wait_for_selector("#maps canvas", timeout=20000)
    return tab


def on_pad(tab, path):
    box = tab.locator("#pad").bounding_box()
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in path]


def draw(tab, strokes, button="left"):
    for stroke in strokes:
        points = on_pad(tab, stroke)
        tab.mouse.move(*points[0])
        tab.mouse.down(button=button)
        for point in points[1:]:
            tab.mouse.move(*point)
        tab.mouse.up(button=button)


def settled(tab):
    """The answer once it is that of the last drawing: two looks a moment apart agree."""
    before = None
    for _ in range(100):
        tab.wait_for_timeout(120)
        now = (tab.inner_text("#digit"), tab.inner_text("#verdict"), tab.inner_text("#took"))
        if now == before:
            return now[0]
        before = now
    return before[0]


def every_digit(tab):
    right = 0
    for digit, strokes in DIGITS.items():
        if digit:
            tab.click("#clear")
        draw(tab, strokes)
        said = settled(tab)
        right += said == str(digit)
        print(f"  {digit} is read as {said}: {tab.inner_text('#verdict')} ({tab.inner_text('#took')})")
    return right


def check(tab, where):
    found = faults_of(tab) + tab.said
    assert not found, f"{where}: " + "\n  ".join(found)


with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
    pictures.mkdir(parents=True, exist_ok=True)
    chrome = browser(playwright)
    has_mnist = subprocess.run([soma, "data", "info", "mnist"], capture_output=True).returncode == 0
    for data in ["digits", "mnist"] if has_mnist else ["digits"]:
        out = Path(place) / data
        train(out, data)
        server, url = serve(out / "model.onnx")
        try:
            tab = open_page(chrome, url, viewport={"width": 1280, "height": 900}, color_scheme="light")
            assert tab.inner_text("#verdict") == "I am looking."
            tab.wait_for_timeout(1500)
            tab.evaluate(WATCH_SHIFTS)
            print(f"trained on {data}:")
            right = every_digit(tab)
            assert right >= 9, f"{right} of 10 digits were read"
            assert tab.evaluate("window.shifted") < 0.01, "nothing may jump while somebody draws"
            check(tab, f"{data}, desk, light")
            tab.screenshot(path=str(pictures / f"serve-{data}-1280-light.png"), full_page=True)

            # The right button erases all there is; undo brings it back, clear takes it.
            tab.click("#clear")
            draw(tab, DIGITS[1])
            assert settled(tab) == "1"
            draw(tab, [[(0.5, 0.1), (0.5, 0.5), (0.5, 0.9)], [(0.45, 0.1), (0.45, 0.9)], [(0.55, 0.1), (0.55, 0.9)]], button="right")
            settled(tab)
            blank = tab.evaluate("[...document.getElementById('seen').getContext('2d').getImageData(0, 0, 28, 28).data].every((v, i) => i % 4 === 3 || v === 0)")
            assert blank, "the right button left ink behind"
            for _ in range(3):
                tab.click("#undo")
            assert settled(tab) == "1", "undo brings the digit back"
            tab.click("#clear")
            assert settled(tab) == "?"

            # By keys alone: down to the pad, a 1 from the top to the bottom.
            tab.locator("#pad").focus()
            for key in ["ArrowUp"] * 10 + [" "] + ["ArrowDown"] * 20 + [" "]:
                tab.keyboard.press(key)
            assert settled(tab) == "1", "keys draw"
            tab.keyboard.press("z")
            assert settled(tab) == "?", "z takes back"

            # The commands on the page are true: the first one, run in a shell, gives the digit that the page read.
            draw(tab, DIGITS[7])
            shown = settled(tab)
            for command in tab.locator(".example pre").all_inner_texts():
                reply = subprocess.run(["sh", "-c", command + " -sS --fail"], capture_output=True, text=True)
                assert reply.returncode == 0 and reply.stdout, (command[:80], reply.stderr)
                if "base64" in command:
                    assert reply.stdout.strip() == shown, (reply.stdout, shown)
            assert tab.inner_text("#cpu").endswith("%") and tab.inner_text("#memory").endswith("%"), "live charts"
            assert len(tab.get_attribute("#rate-chart .line", "d")) > 10
            tab.close()

            phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
            for scheme in ("light", "dark"):
                tab = open_page(chrome, url, color_scheme=scheme, **phone)
                finger = tab.context.new_cdp_session(tab)
                for stroke in DIGITS[3]:
                    points = on_pad(tab, stroke)
                    touch = lambda kind, at: finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})
                    touch("touchStart", [{"x": points[0][0], "y": points[0][1]}])
                    for x, y in points[1:]:
                        touch("touchMove", [{"x": x, "y": y}])
                    touch("touchEnd", [])
                assert settled(tab) == "3", "a finger draws"
                assert tab.evaluate("window.scrollY") == 0, "and does not scroll the page"
                check(tab, f"{data}, phone, {scheme}")
                tab.screenshot(path=str(pictures / f"serve-{data}-390-{scheme}.png"), full_page=True)
                tab.close()
        finally:
            server.terminate()
            assert server.wait(timeout=40) == 0

    # Whatever the font, nothing moves while the numbers of an answer change.
    server, url = serve(Path(place) / "digits" / "model.onnx")
    try:
        for fonts in FONTS:
            other = browser(playwright, fonts, place)
            for scheme in SCHEMES:
                for width in WIDTHS:
                    tab = open_page(other, url, viewport={"width": width, "height": 900}, color_scheme=scheme)
                    tab.wait_for_timeout(1500)
                    tab.evaluate(WATCH_SHIFTS)
                    for digit in (1, 7, 0):
                        draw(tab, DIGITS[digit])
                        settled(tab)
                        tab.click("#clear")
                    draw(tab, DIGITS[3])
                    settled(tab)
                    # The widest a bar can say, in the weight of the best.
                    heights = tab.evaluate("""() => [...document.querySelectorAll(".bars li")].map((row) => {
                      row.classList.add("best"); row.querySelector(".value").textContent = "100.0 %"; return row.getBoundingClientRect().top; })""")
                    steps = {round(b - a, 1) for a, b in zip(heights, heights[1:])}
                    assert steps == {29.0}, f"{fonts}, {scheme}, {width} px: rows lie {steps} apart"
                    fits = tab.evaluate("[...document.querySelectorAll('.bars .value')].every((value) => value.scrollWidth <= value.clientWidth)")
                    assert fits, f"{fonts}, {scheme}, {width} px: 100.0 % does not fit"
                    assert tab.evaluate("window.shifted") < 0.01, f"{fonts}, {scheme}, {width} px: nothing may jump while somebody draws"
                    check(tab, f"{fonts}, {scheme}, {width} px")
                    tab.screenshot(path=str(pictures / f"serve-{fonts}-{width}-{scheme}.png"), full_page=True)
                    tab.close()
            other.close()

        # Without JavaScript: a sentence, and what to type.
        context = chrome.new_context(java_script_enabled=False)
        tab = context.new_page()
        tab.goto(url)
        assert "curl --data-binary" in tab.inner_text("noscript, .without"), tab.inner_text("main")
        context.close()
    finally:
        server.terminate()
        assert server.wait(timeout=40) == 0

    # A repository: models to choose from, a table asked by numbers, and a server that goes away.
    flowers(Path(place) / "flowers.csv")
    subprocess.run([soma, "train", "iris-small", "--data", str(Path(place) / "flowers.csv"), "--set",
                    'preprocess=[{kind="one_hot"},{kind="standardise"}]', "--set", "loss.codes=[0,1]", "--epochs", "60",
                    "--out", str(Path(place) / "flowers"), "--quiet"], check=True)
    for name in ("digits", "flowers"):
        (Path(place) / "repository" / name / "1").mkdir(parents=True)
        shutil.copy(Path(place) / name / "model.onnx", Path(place) / "repository" / name / "1")
    server, url = serve(Path(place) / "repository")
    try:
        tab = open_page(chrome, url, viewport={"width": 1280, "height": 900}, color_scheme="dark")
        tab.select_option("#models", "flowers")
        tab.fill("[data-column=length]", "5.5")
        tab.fill("[data-column=width]", "2.1")
        tab.select_option("[data-column=colour]", "red")
        tab.click("#numbers button")
        assert settled(tab) in ("rose", "lily"), tab.inner_text("#verdict")
        check(tab, "a table, dark")
        tab.fill("[data-column=width]", "<b>2.1")
        tab.click("#numbers button")
        assert "Wanted a number for width, got “<b>2.1”" in tab.inner_text("#problem"), tab.inner_text("#problem")
        tab.screenshot(path=str(pictures / "serve-flowers-1280-dark.png"), full_page=True)
        tab.select_option("#models", "digits")
        assert not tab.is_visible("#problem")
        draw(tab, DIGITS[2])
        assert settled(tab) == "2"
    finally:
        server.terminate()
        assert server.wait(timeout=40) == 0
    tab.wait_for_selector("#problem:has-text('does not answer')", timeout=10000)

    # What is no class is said by its name: a value, labels, how far off a row is. A gap is filled.
    table, configs = houses(Path(place))
    said = {"values": r"That makes price \d", "labels": r"(None of them holds|Large|Dear|large and dear|Large and dear)", "reconstruct": "So far off"}
    for task, config in configs.items():
        subprocess.run([soma, "train", str(config), "--data", str(table), "--epochs", "40", "--out", str(Path(place) / task), "--quiet"], check=True)
        server, url = serve(Path(place) / task / "model.onnx")
        try:
            for width in WIDTHS:
                for scheme in SCHEMES:
                    tab = chrome.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
                    tab.said = []
                    tab.on("pageerror", lambda error, tab=tab: tab.said.append(str(error)))
                    tab.goto(url)
                    tab.fill("[data-column=area]", "130.5")
                    tab.select_option("[data-column=city]", "Genf")
                    tab.click("#numbers button")
                    assert settled(tab) != "?" and re.match(said[task], tab.inner_text("#verdict")), (task, tab.inner_text("#verdict"))
                    tab.fill("[data-column=rooms]", "")
                    tab.click("#numbers button")
                    settled(tab)
                    assert not tab.is_visible("#problem"), tab.inner_text("#problem")
                    check(tab, f"{task}, {scheme}, {width} px")
                    tab.screenshot(path=str(pictures / f"serve-{task}-{width}-{scheme}.png"), full_page=True)
                    tab.close()
        finally:
            server.terminate()
            assert server.wait(timeout=40) == 0

    # A server that wants a token gives the page to everybody and answers to those who have it.
    server, url = serve(Path(place) / "digits" / "model.onnx", token="a-secret")
    try:
        tab = chrome.new_page(viewport={"width": 390, "height": 844})
        tab.goto(url)
        for word in ("wrong", "a-secret"):
            tab.wait_for_selector("#locked:not([hidden])")
            tab.fill("#token", word)
            tab.click("#locked button")
        tab.wait_for_selector("#maps canvas")
        assert not tab.is_visible("#locked") and not tab.is_visible("#problem")
        draw(tab, DIGITS[0])
        assert settled(tab) == "0"
    finally:
        server.terminate()
        assert server.wait(timeout=40) == 0
    chrome.close()
