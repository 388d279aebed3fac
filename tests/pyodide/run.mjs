// Runs one package's own tests inside Pyodide: node run.mjs MANIFEST.json
// The manifest names the wheels to unpack, the folders to show, and what to tell pytest.
import { readFileSync } from "node:fs";
import { loadPyodide } from "pyodide";

// Node would print the interpreter's minified source, a megabyte, above the reason.
process.on("uncaughtException", (error) => {
  console.error(String(error.stack ?? error));
  process.exit(3);
});

const manifest = JSON.parse(readFileSync(process.argv[2], "utf8"));
const start = performance.now();
const py = await loadPyodide({ env: { HOME: "/tmp", ...manifest.env } });

for (const wheel of manifest.wheels) {
  // A Uint8Array: unpackArchive refuses node's Buffer.
  py.unpackArchive(new Uint8Array(readFileSync(wheel)), "wheel", { extractDir: "/wheels" });
}
for (const [place, folder] of Object.entries(manifest.mounts)) {
  py.FS.mkdirTree(place);
  py.FS.mount(py.FS.filesystems.NODEFS, { root: folder }, place);
}
for (const [place, text] of Object.entries(manifest.files)) {
  py.FS.mkdirTree(place.slice(0, place.lastIndexOf("/")));
  py.FS.writeFile(place, text);
}
if (manifest.timings) {
  py.globals.set("boot", (performance.now() - start) / 1000);
  py.runPython(`
import sys
sys.path[:0] = ["/wheels", "/pyodide"]
import json, noio_loop
noio_loop.install()
from timings import measure
print("timings " + json.dumps({"boot": boot} | measure()))
`);
  process.exit(0);
}
py.globals.set("arguments", py.toPy(manifest.pytest));
py.globals.set("module", manifest.module);
py.globals.set("allowed", py.toPy(manifest.allowed));
py.runPython(`
import sys
sys.path[:0] = ["/wheels", "/pyodide"]
before = set(sys.modules)
__import__(module)
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
foreign = loaded - sys.stdlib_module_names - {module, *allowed}
heavy = loaded & {"socket", "ssl", "subprocess", "multiprocessing", "concurrent"}
assert not foreign | heavy, f"import {module} loads {sorted(foreign | heavy)}"
`);
const code = py.runPython(`
import os
os.chdir("/repo")
import noio_loop, pytest
noio_loop.install()
int(pytest.main(list(arguments)))
`);
process.exit(code);
