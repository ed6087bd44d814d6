"""Chromium driven over the DevTools protocol: pages from disk, keys, pictures, PDF, axe, and all faults of a page."""

import base64
import json
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import axe_core_python
import pytest
from websockets.sync.client import connect

EXECUTABLE = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(EXECUTABLE is None, reason="needs chromium to open the page")

_OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-sync", "--no-first-run", "--hide-scrollbars"]
_OPTIONS += ["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"]
_WAIT = 60  # seconds, for a browser on two busy cores
_OWN = ("file:", "data:", "blob:", "about:")
_AXE = Path(axe_core_python.__file__).with_name("axe.min.js")


@contextmanager
def browser():
    """Start a browser with a profile of its own, on a port that it chooses; yield a function that opens pages."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [EXECUTABLE, *_OPTIONS, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with connect(_endpoint(Path(profile), process), max_size=None, open_timeout=_WAIT) as socket:
                yield lambda **options: Page(socket, **options)
        finally:
            process.terminate()
            process.wait(_WAIT)


def _endpoint(profile, process):
    """Return the address of the browser's socket, which it writes into a file of its profile."""
    file, deadline = profile / "DevToolsActivePort", time.monotonic() + _WAIT
    while time.monotonic() < deadline and process.poll() is None:
        lines = file.read_text().splitlines() if file.exists() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.05)
    raise RuntimeError(f"Chromium did not start (exit status {process.poll()})")


class Page:
    """A tab: `faults` are its console errors and exceptions, `requests` all addresses that are not its own files."""

    def __init__(self, socket, *, width=1400, height=1000, dark=False):
        self._socket, self._number, self._loaded = socket, 0, False
        self.faults, self.requests = [], []
        self._session = None
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._send(f"{domain}.enable")
        self.resize(width, height)
        self.emulate(dark=dark)

    def open(self, path, *, until="true"):
        """Open a file, and wait until it has loaded and an expression holds."""
        self._loaded = False
        self._send("Page.navigate", url=Path(path).absolute().as_uri())
        deadline = time.monotonic() + _WAIT
        while time.monotonic() < deadline:
            if self.evaluate("document.readyState") == "complete" and self.evaluate(f"Boolean({until})"):
                self.settle()
                return self
            time.sleep(0.05)
        raise TimeoutError(f"{path}: {until} does not hold after {_WAIT} s; {self.faults}")

    def settle(self):
        """Wait for two frames: what a script has changed is drawn, and its events have arrived."""
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def resize(self, width, height):
        """Set the size of the window, in CSS pixels."""
        self._send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def emulate(self, *, dark=False, media=""):
        """Set the preferred colour scheme, and the medium: `screen`, `print` or none."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._send("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def evaluate(self, expression):
        """Return the value of an expression; a promise's value once it is fulfilled."""
        options = {"awaitPromise": True, "returnByValue": True, "userGesture": True}
        found = self._send("Runtime.evaluate", expression=expression, **options)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"].get("exception", {}).get("description", str(found)))
        return found["result"].get("value")

    def press(self, key, *, times=1):
        """Press a key such as Tab, Enter or Space."""
        code, text = {
            "Tab": (9, ""),
            "Enter": (13, "\r"),
            "Space": (32, " "),
            "Escape": (27, ""),
            "ArrowRight": (39, ""),
        }[key]
        named = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": code}
        for _ in range(times):
            self._send("Input.dispatchKeyEvent", type="keyDown", text=text, **named)
            self._send("Input.dispatchKeyEvent", type="keyUp", **named)
        self.settle()

    def violations(self):
        """Return what axe finds against the WCAG 2.2 rules AA and the best practices: the rule and the elements."""
        self.evaluate(_AXE.read_text() + ";1")
        found = self.evaluate(
            "axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify(r.violations))"
        )
        return [
            f"{one['id']}: {one['help']}: {node['target']} {node.get('failureSummary', '')}"
            for one in json.loads(found)
            for node in one["nodes"]
        ]

    def picture(self, path):
        """Save a picture of the whole page."""
        size = self._send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        found = self._send("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        _save(path, found)

    def pdf(self, path):
        """Print the page, on A4."""
        inches = {"paperWidth": 8.27, "paperHeight": 11.69}
        _save(path, self._send("Page.printToPDF", printBackground=False, preferCSSPageSize=True, **inches))

    def _send(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv(timeout=_WAIT))
            if answer.get("id") == self._number and answer.get("sessionId") == self._session:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            if answer.get("sessionId") == self._session:
                self._note(answer.get("method"), answer.get("params", {}))

    def _note(self, event, details):
        if event == "Runtime.exceptionThrown":
            thrown = details["exceptionDetails"]
            self.faults.append(thrown.get("exception", {}).get("description") or thrown["text"])
        elif event == "Runtime.consoleAPICalled" and details["type"] in ("error", "warning", "assert"):
            self.faults.append(" ".join(str(part.get("value", part.get("description"))) for part in details["args"]))
        elif event == "Log.entryAdded" and details["entry"]["level"] in ("error", "warning"):
            self.faults.append(details["entry"]["text"])
        elif event == "Network.requestWillBeSent" and not details["request"]["url"].startswith(_OWN):
            self.requests.append(details["request"]["url"])


def _save(path, answer):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(base64.b64decode(answer["data"]))
