"""Renders the icons from their SVG sources. Run it after a change to one of them, and commit what it makes.

Needs rsvg-convert (Debian: librsvg2-bin). The tray's pictures are black with an alpha channel, 54 pixels a side: three
times a menu bar's 18 points. macOS tints them; on a dark Linux panel the app turns them white.
"""
import pathlib
import struct
import subprocess

HERE = pathlib.Path(__file__).parent


def render(source: str, size: int) -> bytes:
    command = ["rsvg-convert", "--width", str(size), "--height", str(size), str(HERE / source)]
    return subprocess.run(command, check=True, capture_output=True).stdout


def app_icon(size: int) -> bytes:
    """Below 64 pixels the fine parts are left out."""
    return render("app-icon-small.svg" if size < 64 else "app-icon.svg", size)


for state in ["ready", "working", "needs-you", "offline", "paused"]:
    (HERE / f"tray-{state}.png").write_bytes(render(f"tray-{state}.svg", 54))

for name, size in {"32x32.png": 32, "128x128.png": 128, "128x128@2x.png": 256}.items():
    (HERE / name).write_bytes(app_icon(size))

# Apple's container: PNGs, each under the name of its size; the second row is for screens of double density.
sizes = {"icp4": 16, "icp5": 32, "ic07": 128, "ic08": 256, "ic09": 512}
sizes |= {"ic11": 32, "ic12": 64, "ic13": 256, "ic14": 512, "ic10": 1024}
parts = b"".join(name.encode() + struct.pack(">I", len(png) + 8) + png for name, png in ((n, app_icon(s)) for n, s in sizes.items()))
(HERE / "icon.icns").write_bytes(b"icns" + struct.pack(">I", len(parts) + 8) + parts)
