"""What a merchant may call the shop, where help may be, and which pictures can be a logo."""

import struct
import zlib

import pytest

from app.portal.logos import BYTES_MAX, LogoUnfit, Picture, read_picture
from app.portal.preferences import NAME_MAX, PreferenceInvalid, read_preferences


@pytest.mark.parametrize(
    ("typed", "saved"),
    [
        ("", None),
        ("https://shop.example/help?a=1", "https://shop.example/help?a=1"),
        ("shop.example/help", "https://shop.example/help"),
        ("help@shop.example", "mailto:help@shop.example"),
        ("mailto:help@shop.example", "mailto:help@shop.example"),
    ],
)
def test_help_is_an_address_of_the_web_or_a_mailbox(typed: str, saved: str | None) -> None:
    assert read_preferences(" The   Shop ", typed, "").support_url == saved
    assert read_preferences(" The   Shop ", typed, "").display_name == "The Shop"


@pytest.mark.parametrize(
    "typed",
    [
        "javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "http://shop.example", "https://", "https://localhost",
        "https://shop.example@evil.example", "https://shop.example/\"onclick=x", "https://shop.example/<b>",
        "mailto:x@y@z", "mailto:a@b.example?subject=x&body=y", "help@", "https://[", "https://a.example/" + "x" * 500,
        "a\x00@shop.example", "https://shop.example/\x00", "https://shop.example/\u202e",
        "//evil.example", "https:\\\\evil.example",
    ],
)  # fmt: skip
def test_anything_else_is_refused(typed: str) -> None:
    with pytest.raises(PreferenceInvalid):
        read_preferences("Shop", typed, "")


@pytest.mark.parametrize("name", ["", "   ", "x" * (NAME_MAX + 1), "a\u202eb", "a\u2066b"])
def test_a_name_is_short_and_all_of_it_can_be_seen(name: str) -> None:
    with pytest.raises(PreferenceInvalid):
        read_preferences(name, "", "")


def png(width: int, height: int) -> bytes:
    """A white picture, whole and right."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\x00" + b"\xff" * width for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def webp(kind: bytes, body: bytes) -> bytes:
    content = b"WEBP" + kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(content)) + content


WEBPS = {
    "VP8X": webp(b"VP8X", b"\0\0\0\0" + (199).to_bytes(3, "little") + (99).to_bytes(3, "little")),
    "VP8L": webp(b"VP8L", b"\x2f" + (199 | 99 << 14).to_bytes(4, "little") + b"\0" * 5),
    "VP8 ": webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 200, 100)),
}


def test_a_png_and_each_kind_of_webp_are_read() -> None:
    assert read_picture(png(64, 1024)) == Picture("image/png", 64, 1024)
    for kind, content in WEBPS.items():
        assert read_picture(content) == Picture("image/webp", 200, 100), kind


@pytest.mark.parametrize(
    "content",
    [
        b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"GIF89a" + b"\0" * 100, b"\xff\xd8\xff" + b"\0" * 100,
        b"<html>" + png(64, 64), png(64, 64)[:-12], png(63, 64), png(64, 1025), png(64, 64) + b"\0" * BYTES_MAX,
        WEBPS["VP8X"] + b"<script>", WEBPS["VP8X"][:-1], webp(b"VP9X", b"\0" * 10), webp(b"VP8L", b"\0" * 10),
    ],
)  # fmt: skip
def test_what_is_no_small_picture_whole_is_refused(content: bytes) -> None:
    with pytest.raises(LogoUnfit):
        read_picture(content)
