# pages → pictures of them at two widths, light and dark, and what does not fit on them.
import glob
import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

CHECKS = [(Path(__file__).parent / name).read_text().split("\n", 1)[1] for name in ("page_check.js", "contrast.js")]
WIDTHS, SCHEMES = (400, 1600), ("light", "dark")


def chromium():
    """Debian's browser; Playwright's own is not needed."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        sys.exit("photograph: wanted chromium, found none; try scripts/setup")
    return found


FONTS = {"DejaVu": "/usr/share/fonts/truetype/dejavu", "Liberation": "/usr/share/fonts/truetype/liberation*"}


def browser(playwright, fonts=None, place=None):
    """With all fonts of the machine, or with one family of FONTS alone; `place` is a directory for what that takes."""
    env = dict(os.environ)
    if fonts:
        found = glob.glob(FONTS[fonts])
        assert found, f"wanted the fonts {fonts} in {FONTS[fonts]}, found none; try scripts/setup --tests"
        file = Path(place) / f"fonts-{fonts}.conf"
        file.write_text('<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>' + "".join(f"<dir>{each}</dir>" for each in found) +
                        f"<cachedir>{place}/font-cache</cachedir></fontconfig>")
        env["FONTCONFIG_FILE"] = str(file)
    return playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"], env=env)


def faults_of(tab):
    """What does not fit on the page, and what cannot be read on it."""
    return [fault for check in CHECKS for fault in tab.evaluate(check)]


def photograph(pages, pictures):
    """pages: {name: file}. Returns {page, width and scheme: faults}, and leaves PNGs in the directory `pictures`."""
    faults = {}
    with sync_playwright() as playwright:
        chrome = browser(playwright)
        for name, file in pages.items():
            for width in WIDTHS:
                for scheme in SCHEMES:
                    tab = chrome.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=True)
                    asked = []
                    tab.on("request", lambda request: asked.append(request.url))
                    said = []
                    tab.on("console", lambda message: said.append(message.text))
                    tab.goto(Path(file).resolve().as_uri())
                    found = faults_of(tab)
                    found += [f"asks for {url[:80]}" for url in asked[1:] if not url.startswith("data:")]
                    found += [f"the browser says: {text}" for text in said]
                    tab.screenshot(path=str(Path(pictures) / f"{name}-{width}-{scheme}.png"), full_page=True)
                    faults[f"{name} at {width} px, {scheme}"] = found
                    tab.close()
        chrome.close()
    return faults


if __name__ == "__main__":
    out = Path(sys.argv[1])
    os.makedirs(out, exist_ok=True)
    for where, found in photograph({Path(p).parent.name: p for p in sys.argv[2:]}, out).items():
        print(where, *found, sep="\n  ")
