"""Pages in a real browser, as text and as pictures."""

import html
import re
import shutil
import subprocess

CHROMIUM = shutil.which("chromium")
_OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-sync", "--no-first-run"]
_OPTIONS += ["--disable-background-networking", "--disable-component-update", "--window-size=1400,1000"]


def page(url, picture, wanted):
    """Return the text of a page once it holds the wanted text, and keep a picture of it."""
    shown = ""
    for budget in (8_000, 20_000, 40_000):  # ms, of the page's virtual time
        options = [*_OPTIONS, f"--virtual-time-budget={budget}", f"--screenshot={picture}", "--dump-dom", url]
        ended = subprocess.run([CHROMIUM, *options], capture_output=True, text=True, check=False, timeout=120)
        text = re.sub(r"<(script|style).*?</\1>", "", ended.stdout, flags=re.S)
        shown = html.unescape(re.sub(r"<[^>]+>", " ", text))
        if wanted in shown:
            break
    return shown
