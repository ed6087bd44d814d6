"""A stand-in of the Hugging Face Hub's API on a free port of 127.0.0.1: repositories, commits, large files, checks.

    with HubApi() as hub:
        …  # HF_ENDPOINT, or huggingface_hub.constants.ENDPOINT, is hub.url
    assert hub.files("me/model", "main")["README.md"] == …

It keeps what it gets, and records each request. `fail` has it answer with a status from then on, as the Hub would.
"""

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_of_a_test"
"""The only token that it accepts."""
_LFS = (".safetensors", ".onnx", ".bin")
_LICENCES = {"apache-2.0", "mit", "cc-by-4.0", "other"}


class Request(NamedTuple):
    """A request as the client sent it."""

    method: str
    path: str
    token: str | None
    body: bytes


class HubApi:
    """The server; the end of a `with` block stops it."""

    def __init__(self):
        self.requests = []
        self.repositories = {}
        """By name: whether it is private, and by branch its files (bytes) and the identifier of its latest commit."""
        self.large = {}
        """Content of large files by SHA-256."""
        self.messages = []
        """First lines of the commits."""
        self.warnings = []
        """Warnings about every card."""
        self._failures = []
        self._lock = threading.Lock()

    def __enter__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self):
        host, port = self._server.server_address
        return f"http://{host}:{port}"

    def fail(self, status, part, *, times=None, message="", headers=None):
        """Answer requests whose path contains `part` with a status, a number of times or (None) always."""
        self._failures.append([part, status, times, message, headers or {}])

    def files(self, repository, branch="main"):
        """Return the content of the files on a branch by name."""
        return self.repositories[repository]["branches"][branch]["files"]

    def sent(self, part):
        """Return the requests whose path contains `part`."""
        return [request for request in self.requests if part in request.path]

    def head(self, repository, branch="main"):
        """Return the identifier of a branch's latest commit."""
        return self.repositories[repository]["branches"][branch]["sha"]

    def answer(self, request):
        """Return the status, the JSON and the headers of an answer."""
        with self._lock:
            self.requests.append(request)
            for failure in self._failures:
                if failure[0] in request.path and failure[2] != 0:
                    failure[2] = failure[2] and failure[2] - 1
                    return failure[1], {"error": failure[3]}, failure[4]
            if request.token != f"Bearer {TOKEN}" and not re.match(r"/large/|/api/validate-yaml", request.path):
                return 401, {"error": "Invalid username or password."}, {}
            for pattern, method, act in _ROUTES:
                if method == request.method and (found := re.fullmatch(pattern, request.path)):
                    return act(self, request, *map(unquote, found.groups()))
            return 404, {"error": f"no route {request.method} {request.path}"}, {}

    # what the routes do; each returns status, JSON, headers

    def _whoami(self, _request):
        return 200, {"name": "me", "type": "user", "orgs": []}, {}

    def _validate(self, request):
        errors = faults_of_card(json.loads(request.body)["content"])
        return (
            (400 if errors else 200),
            {
                "errors": [{"message": one} for one in errors],
                "warnings": [{"message": one} for one in self.warnings],
            },
            {},
        )

    def _create(self, request):
        body = json.loads(request.body)
        name = f"{body['organization']}/{body['name']}"
        url = {"url": f"{self.url}/{name}", "name": name}
        if name in self.repositories:
            return 409, {"error": "You already created this model repo", **url}, {}
        branch = {"files": {}, "sha": hashlib.sha1(name.encode()).hexdigest()}
        private = body.get("visibility") == "private" or bool(body.get("private"))
        self.repositories[name] = {"private": private, "branches": {"main": branch}}
        return 200, url, {}

    def _info(self, _request, name, branch="main"):
        found = self.repositories.get(name)
        if not found or branch not in found["branches"]:
            kind = "RevisionNotFound" if found else "RepoNotFound"
            return 404, {"error": "not found"}, {"X-Error-Code": kind}
        sha = found["branches"][branch]["sha"]
        return 200, {"id": name, "modelId": name, "private": found["private"], "sha": sha, "tags": []}, {}

    def _branch(self, _request, name, branch):
        branches = self.repositories[name]["branches"]
        if branch in branches:
            return 409, {"error": "Reference already exists"}, {}
        branches[branch] = {"files": dict(branches["main"]["files"]), "sha": branches["main"]["sha"]}
        return 200, {}, {}

    def _preupload(self, request, name, branch):
        files, found = self.files(name, branch), []
        for one in json.loads(request.body)["files"]:
            mode = "lfs" if one["path"].endswith(_LFS) else "regular"
            content = files.get(one["path"])
            oid = content if content is None else _oid(content, mode)
            found.append({"path": one["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return 200, {"files": found}, {}

    def _batch(self, request, _name):
        found = []
        for one in json.loads(request.body)["objects"]:
            actions = {"upload": {"href": f"{self.url}/large/{one['oid']}", "header": {}}}
            found.append({**one, **({} if one["oid"] in self.large else {"actions": actions})})
        return 200, {"transfer": "basic", "objects": found}, {}

    def _put(self, request, oid):
        if hashlib.sha256(request.body).hexdigest() != oid:
            return 400, {"error": "wrong content"}, {}
        self.large[oid] = request.body
        return 200, {}, {}

    def _commit(self, request, name, branch):
        target = self.repositories[name]["branches"][branch]
        for line in request.body.splitlines():
            one = json.loads(line)
            value = one["value"]
            if one["key"] == "header":
                self.messages.append(value["summary"])
            elif one["key"] == "file":
                target["files"][value["path"]] = base64.b64decode(value["content"])
            elif one["key"] == "lfsFile":
                target["files"][value["path"]] = self.large[value["oid"]]
        target["sha"] = hashlib.sha1(target["sha"].encode() + request.body).hexdigest()
        url = f"{self.url}/{name}/commit/{target['sha']}"
        return 200, {"success": True, "commitUrl": url, "commitOid": target["sha"]}, {}


_NAME = r"([^/]+/[^/]+)"
_ROUTES = (
    (r"/api/whoami-v2", "GET", HubApi._whoami),
    (r"/api/validate-yaml", "POST", HubApi._validate),
    (r"/api/repos/create", "POST", HubApi._create),
    (rf"/api/models/{_NAME}", "GET", HubApi._info),
    (rf"/api/models/{_NAME}/revision/([^/]+)", "GET", HubApi._info),
    (rf"/api/models/{_NAME}/branch/([^/]+)", "POST", HubApi._branch),
    (rf"/api/models/{_NAME}/preupload/([^/]+)", "POST", HubApi._preupload),
    (rf"/api/models/{_NAME}/commit/([^/]+)", "POST", HubApi._commit),
    (rf"/{_NAME}\.git/info/lfs/objects/batch", "POST", HubApi._batch),
    (r"/large/([0-9a-f]{64})", "PUT", HubApi._put),
)


def faults_of_card(content):
    """Return the faults of a card's metadata by the Hub's rules for the fields that are used here."""
    found = re.match(r"---\r?\n(.*?)\r?\n---[ \t]*(\r?\n|$)", content, re.DOTALL)
    if not found:
        return ["empty or missing yaml metadata in repo card"]
    try:
        data = yaml.safe_load(found.group(1))
    except yaml.YAMLError as error:
        return [f"bad YAML: {error}"]
    faults = []
    if data.get("license") not in _LICENCES:
        faults.append('"license" must be one of the known licences')
    for key in ("tags", "base_model", "metrics"):
        if key in data and not all(isinstance(one, str) for one in data[key]):
            faults.append(f'"{key}" must be an array of strings')
    for model in data.get("model-index", []):
        if not isinstance(model.get("name"), str) or not model.get("results"):
            faults.append('"model-index[0]" must have a name and results')
        for result in model.get("results", []):
            faults += _faults_of_result(result)
    return faults


def _faults_of_result(result):
    named = {"task": ("type",), "dataset": ("type", "name")}
    faults = [f"{part}.{k} is required" for part, keys in named.items() for k in keys if not result[part].get(k)]
    for metric in result["metrics"]:
        if not isinstance(metric.get("type"), str) or not isinstance(metric.get("value"), int | float):
            faults.append("metrics[].type and metrics[].value are required")
    return faults


def _oid(content, mode):
    if mode == "lfs":
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    """Reads a request, and writes the answer that the stand-in gives."""

    hub: HubApi
    protocol_version = "HTTP/1.1"

    def _serve(self):
        body = self._chunks() if "chunked" in self.headers.get("Transfer-Encoding", "") else self._whole()
        path = urlsplit(self.path).path
        status, found, headers = self.hub.answer(Request(self.command, path, self.headers.get("Authorization"), body))
        content = json.dumps(found).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": len(content), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = _serve  # noqa: N815  the names that the base class calls

    def _whole(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunks(self):
        found = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            found.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(found)

    def log_message(self, *_):
        """Write nothing."""
