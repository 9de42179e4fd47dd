"""What somebody does who is inside a container of the platform: runs there, with the token, the variables and the files that it has. Only the standard library.

The order comes as JSON in the first argument; what came of it is printed as JSON.
"""

import json
import os
import pathlib
import socket
import ssl
import sys
import threading
import urllib.error
import urllib.request

ORDER = json.loads(sys.argv[1])
ACCOUNT = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN = (ACCOUNT / "token").read_text() if (ACCOUNT / "token").exists() else ""
API_SERVER = f"https://{os.environ.get('KUBERNETES_SERVICE_HOST')}:{os.environ.get('KUBERNETES_SERVICE_PORT', '443')}"


def asked(method, path, body, content, impersonate):
    """Return what the API server answers: its status and words; 0 where it is not reached."""
    headers = {"Content-Type": content, "Accept": "application/json"}
    headers |= {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}
    headers |= {"Impersonate-User": impersonate} if impersonate else {}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(path if path.startswith("https:") else API_SERVER + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10, context=ssl._create_unverified_context()) as answer:
            return [answer.status, answer.read(300).decode(errors="replace")]
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        try:
            return [error.code, json.loads(text).get("message", text)]
        except ValueError:
            return [error.code, text[:300]]
    except OSError as error:
        return [0, f"not reached: {error}"[:300]]


def reached(host, port):
    """Return whether a port is open; silent twice is closed."""
    for _ in range(2):
        try:
            socket.create_connection((host, port), timeout=3).close()
        except OSError:
            continue
        return True
    return False


said = {"token": bool(TOKEN), "asked": {}, "reached": {}, "kubelet": {}}


def reach(name, host, port):
    said["reached"][name] = reached(host, port)


threads = [threading.Thread(target=reach, args=(name, *where)) for name, where in ORDER["ports"].items()]
for thread in threads:
    thread.start()
for name, request in ORDER["asks"].items():
    said["asked"][name] = asked(*request)
for name, path in ORDER["kubelet"].items():
    said["kubelet"][name] = asked("GET", path, None, "application/json", "")[0]
for thread in threads:
    thread.join()
print(json.dumps(said))
