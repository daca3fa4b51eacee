"""Renders the icons from their SVG sources. Run it after a change to one of them, and commit what it makes.

Needs rsvg-convert (Debian: librsvg2-bin). The tray's pictures are 54 pixels a side: three times a menu bar's 18 points.
On macOS they are black with an alpha channel, and the system tints them. Nothing tells the colour of a Linux panel: there
they are white with a dark edge, to be seen on any.
"""
import pathlib
import struct
import subprocess

HERE = pathlib.Path(__file__).parent


WHITE_WITH_EDGE = """
<filter id="edged" x="-.4" y="-.4" width="18.8" height="18.8" filterUnits="userSpaceOnUse">
  <feMorphology in="SourceAlpha" operator="dilate" radius=".7" result="grown"/>
  <feFlood flood-color="#000" flood-opacity=".65"/><feComposite in2="grown" operator="in" result="edge"/>
  <feFlood flood-color="#fff"/><feComposite in2="SourceAlpha" operator="in" result="white"/>
  <feMerge><feMergeNode in="edge"/><feMergeNode in="white"/></feMerge>
</filter><g filter="url(#edged)">"""


def draw(svg: str, size: int) -> bytes:
    command = ["rsvg-convert", "--width", str(size), "--height", str(size)]
    return subprocess.run(command, input=svg.encode(), check=True, capture_output=True).stdout


def render(source: str, size: int) -> bytes:
    return draw((HERE / source).read_text(), size)


def edged(source: str, size: int) -> bytes:
    # A little smaller, so that the edge has room.
    head, body = (HERE / source).read_text().replace("0 0 18 18", "-.4 -.4 18.8 18.8", 1).split(">", 1)
    return draw(head + ">" + WHITE_WITH_EDGE + body.replace("</svg>", "</g></svg>"), size)


def app_icon(size: int) -> bytes:
    """Below 64 pixels the fine parts are left out."""
    return render("app-icon-small.svg" if size < 64 else "app-icon.svg", size)


for state in ["ready", "working", "needs-you", "offline", "paused"]:
    (HERE / f"tray-{state}.png").write_bytes(render(f"tray-{state}.svg", 54))
    (HERE / f"tray-{state}-linux.png").write_bytes(edged(f"tray-{state}.svg", 54))

for name, size in {"32x32.png": 32, "128x128.png": 128, "128x128@2x.png": 256}.items():
    (HERE / name).write_bytes(app_icon(size))

# Apple's container: PNGs, each under the name of its size; the second row is for screens of double density.
sizes = {"icp4": 16, "icp5": 32, "ic07": 128, "ic08": 256, "ic09": 512}
sizes |= {"ic11": 32, "ic12": 64, "ic13": 256, "ic14": 512, "ic10": 1024}
parts = b"".join(name.encode() + struct.pack(">I", len(png) + 8) + png for name, png in ((n, app_icon(s)) for n, s in sizes.items()))
(HERE / "icon.icns").write_bytes(b"icns" + struct.pack(">I", len(parts) + 8) + parts)
