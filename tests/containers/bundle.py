#!/usr/bin/env python3
"""Makes config.json of an OCI bundle as Kubernetes has it for a restricted pod.

bundle.py BUNDLE ID ROOT [SOURCE:DESTINATION[:ro]]... -- ARGUMENT... <INSPECTED

INSPECTED is what `buildah inspect --type image` says. ARGUMENTs come after the entry point. The network
is that of who starts it: containers of a pod share theirs.
"""
import json
import pathlib
import platform
import subprocess
import sys

SECCOMP = pathlib.Path("/usr/share/containers/seccomp.json")


def seccomp():
    """The profile of container runtimes, for a process without capabilities."""
    profile = json.loads(SECCOMP.read_text())
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    native = {"amd64": "SCMP_ARCH_X86_64", "arm64": "SCMP_ARCH_AARCH64"}[machine]
    rules = []
    for rule in profile["syscalls"]:
        includes = rule.get("includes") or {}
        if includes.get("caps") or machine not in includes.get("arches", [machine]):
            continue
        rules.append({key: rule[key] for key in ("names", "action", "args", "errnoRet") if rule.get(key)})
    return {
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile["defaultErrnoRet"],
        "architectures": [native],
        "syscalls": rules,
    }


bundle, name, root = sys.argv[1:4]
split = sys.argv.index("--")
image = json.load(sys.stdin)["OCIv1"]["config"]
user, group = map(int, image["User"].split(":"))

path = pathlib.Path(bundle, "config.json")
path.unlink(missing_ok=True)
subprocess.run(["runc", "spec", "--bundle", bundle], check=True)
spec = json.loads(path.read_text())

spec["hostname"] = "pod"
spec["root"] = {"path": root, "readonly": True}
spec["process"] |= {
    "terminal": False,
    "user": {"uid": user, "gid": group},
    "args": image["Entrypoint"] + sys.argv[split + 1 :],
    "env": image["Env"],
    "cwd": image.get("WorkingDir") or "/",
    "capabilities": {},
    "noNewPrivileges": True,
}
for mount in sys.argv[4:split]:
    source, destination, *options = mount.split(":")
    options += ["bind", "nosuid", "nodev"]
    spec["mounts"].append(
        {"destination": destination, "type": "bind", "source": source, "options": options}
    )
linux = spec["linux"]
linux["namespaces"] = [n for n in linux["namespaces"] if n["type"] != "network"]
linux["cgroupsPath"] = "/runner-containers-test/" + name
linux["seccomp"] = seccomp()

path.write_text(json.dumps(spec, indent=1))
