"""``--strip`` leaves nothing private in any format, and keeps profile, orientation and geometry: bytes are searched."""

import gzip
import io
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, PngImagePlugin, features

from tests.cli_helpers import invoke, run

SECRET = "Harriet Q. Secret"
PIXELS = np.random.default_rng(0).integers(0, 255, (24, 32, 3)).astype(np.uint8)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    f'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:creator="{SECRET}"/>'
    "</rdf:RDF></x:xmpmeta>"
).encode()
ARTIST, ORIENTATION, GPS, THUMBNAIL = 315, 6, 0x8825, 513


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def exif():
    """EXIF with a name, a place, a rotation and, behind it, a thumbnail."""
    made = Image.Exif()
    made[ARTIST] = SECRET
    made[274] = ORIENTATION
    made.get_ifd(GPS)[29] = SECRET  # the date of the position, as text
    made.get_ifd(0x8769)[0x927C] = SECRET.encode()  # the maker's note
    return made.tobytes()


def jpeg_with_thumbnail(name):
    thumbnail = io.BytesIO()
    Image.fromarray(PIXELS[:8, :8]).save(thumbnail, "JPEG", comment=SECRET.encode())
    made = Image.Exif()
    made[274] = ORIENTATION
    made.get_ifd(GPS)[29] = SECRET
    directory = made.get_ifd(1)
    directory[259] = 6
    data = made.tobytes()
    base = len(data) - 6
    directory[513], directory[514] = base, len(thumbnail.getvalue())
    data = made.tobytes()
    directory[513] = len(data) - 6
    data = made.tobytes() + thumbnail.getvalue()
    Image.fromarray(PIXELS).save(name, exif=data, icc_profile=PROFILE, comment=SECRET.encode(), dpi=(300, 300))


def png(name):
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", SECRET)
    text.add_text("Comment", SECRET, zip=True)
    text.add_itxt("XML:com.adobe.xmp", XMP.decode())
    text.add(b"prVt", SECRET.encode(), after_idat=True)
    Image.fromarray(PIXELS).save(name, pnginfo=text, exif=exif(), icc_profile=PROFILE, dpi=(300, 300))


def webp(name):
    Image.fromarray(PIXELS).save(name, exif=exif(), xmp=XMP, icc_profile=PROFILE, lossless=True)


def avif(name):
    if not features.check("avif"):
        pytest.skip("Pillow was built without AVIF")
    Image.fromarray(PIXELS).save(name, exif=exif(), xmp=XMP, icc_profile=PROFILE)


def gif(name):
    frames = [Image.fromarray(PIXELS), Image.fromarray(PIXELS[::-1])]
    frames[0].save(name, save_all=True, append_images=frames[1:], comment=SECRET.encode(), duration=[50, 70], loop=3)


def jpeg2000(name):
    Image.fromarray(PIXELS).save(name, comment=SECRET.encode(), irreversible=False)


def tiff(name):
    tags = [(700, 1, len(XMP), XMP, True), (33432, 2, 0, SECRET, True), (65000, 2, 0, SECRET, True)]
    tifffile.imwrite(
        name,
        PIXELS,
        photometric="rgb",
        description=SECRET,
        software=SECRET,
        datetime=True,
        extratags=[*tags, (ARTIST, 2, 0, SECRET, True), (34675, 7, len(PROFILE), PROFILE, True)],
        resolution=(300, 300),
        resolutionunit="INCH",
        metadata=None,
    )


def pillow_tiff(name):
    made = Image.Exif()
    made.load(exif())
    Image.fromarray(PIXELS).save(name, exif=made, icc_profile=PROFILE, dpi=(300, 300))


def imagej(name):
    stack = PIXELS[..., 0].reshape(2, 12, 32)
    info = {"Info": SECRET, "Labels": [SECRET, SECRET], "spacing": 2.0, "unit": "um", "finterval": 3.0}
    tifffile.imwrite(name, stack, imagej=True, resolution=(5.0, 5.0), metadata={"axes": "ZYX", **info})


def ome(name):
    stack = PIXELS[..., 0].reshape(2, 12, 32)
    metadata = {
        "axes": "ZYX",
        "PhysicalSizeX": 0.2,
        "PhysicalSizeY": 0.2,
        "PhysicalSizeZ": 0.5,
        "Name": SECRET,
        "Description": SECRET,
        "Channel": {"Name": [SECRET]},
    }
    tifffile.imwrite(name, stack, ome=True, metadata=metadata)


def nifti(name):
    image = nib.Nifti1Image(PIXELS[..., 0].reshape(4, 12, 16).astype(np.int16), np.diag([2, 2, 3, 1]))
    image.header["descrip"] = SECRET
    image.header["aux_file"] = SECRET
    image.header["intent_name"] = SECRET[:16]
    image.header["db_name"] = SECRET
    image.header.set_slope_inter(2.0, 1.0)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", SECRET.encode()))
    nib.save(image, name)


def analyze(name):
    image = nib.AnalyzeImage(PIXELS[..., 0].reshape(4, 12, 16).astype(np.int16), np.diag([2, 2, 3, 1]))
    nib.save(image, name)
    header = Path(name).with_suffix(".hdr")
    data = bytearray(header.read_bytes())
    data[148 : 148 + len(SECRET)] = SECRET.encode()  # descrip
    data[298:306] = SECRET[:8].encode()  # patient_id
    header.write_bytes(data)


def mgh(name):
    image = nib.MGHImage(PIXELS[..., 0].reshape(4, 12, 16).astype(np.int16), np.diag([2, 2, 3, 1]))
    nib.save(image, name)
    with Path(name).open("ab") as file:  # a tag: the command by which it was made
        file.write((3).to_bytes(4, "big") + len(SECRET).to_bytes(8, "big") + SECRET.encode())


def jpegxl(name):
    imagecodecs = pytest.importorskip("imagecodecs")
    if not imagecodecs.JPEGXL.available:
        pytest.skip("imagecodecs was built without JPEG XL")
    data = imagecodecs.jpegxl_encode(PIXELS, usecontainer=True, lossless=True)
    boxes = ((b"xml ", XMP), (b"Exif", bytes(4) + exif().removeprefix(b"Exif\0\0")))
    Path(name).write_bytes(data + b"".join((len(b) + 8).to_bytes(4, "big") + kind + b for kind, b in boxes))


FILES = {
    "in.jpg": jpeg_with_thumbnail,
    "in.png": png,
    "in.webp": webp,
    "in.avif": avif,
    "in.gif": gif,
    "in.jp2": jpeg2000,
    "plain.tif": tiff,
    "in.tif": pillow_tiff,
    "imagej.tif": imagej,
    "in.ome.tif": ome,
    "in.nii": nifti,
    "in.nii.gz": nifti,
    "in.img": analyze,
    "in.mgh": mgh,
    "in.jxl": jpegxl,
}


def all_bytes(path):
    """The bytes of a file with those of its compressed parts."""
    data = Path(path).read_bytes()
    if path.endswith(".gz"):
        return gzip.decompress(data)
    if path.endswith(".img"):
        data += Path(path).with_suffix(".hdr").read_bytes()
    position, parts = 8, [data]
    while data.startswith(b"\x89PNG") and position < len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        kind, body = data[position + 4 : position + 8], data[position + 8 : position + 8 + size]
        if kind in (b"zTXt", b"iCCP"):
            parts.append(zlib.decompress(body.partition(b"\0")[2][1:]))
        position += 12 + size
    return b"".join(parts)


@pytest.mark.parametrize("name", FILES)
def test_nothing_private_is_left(name):
    FILES[name](name)
    parts = [SECRET[:16].encode(encoding) for encoding in ("ascii", "utf-16-le", "utf-16-be")]
    assert any(part in all_bytes(name) for part in parts)
    run(name, "--scale", "x=2,y=2", "--strip", "-o", f"out/{name}")
    left = all_bytes(f"out/{name}")
    assert not any(part in left for part in parts)
    for trace in (b"upsample", b"GPS", b"Exif", b"xmpmeta", b"prVt"):
        assert trace not in left


@pytest.mark.parametrize("name", ["in.jpg", "in.png", "in.tif", "imagej.tif", "in.ome.tif", "in.nii"])
@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".nii"])
def test_nothing_private_is_left_in_another_format(name, suffix):
    FILES[name](name)
    done = invoke(name, "--scale", 1, "--strip", "-o", f"out{suffix}")
    if done.exit_code == 4:
        assert "cannot hold" in done.stderr or "has the axes" in done.stderr
        return
    assert done.exit_code == 0, done.output
    assert SECRET[:16].encode() not in all_bytes(f"out{suffix}")
    assert SECRET[:16].encode("utf-16-le") not in all_bytes(f"out{suffix}")


@pytest.mark.parametrize("name", ["in.jpg", "in.png", "in.webp", "plain.tif", "in.tif"])
def test_the_profile_and_the_look_stay(name):
    FILES[name](name)
    run(name, "--scale", 2, "--strip", "-o", f"out/{name}")
    run(name, "--scale", 2, "-o", f"full/{name}")
    with Image.open(f"out/{name}") as bare, Image.open(f"full/{name}") as full:
        assert bare.info["icc_profile"] == PROFILE
        assert bare.size == full.size
        assert np.array_equal(np.asarray(bare), np.asarray(full))
        assert bare.getexif().get(274, 1) == 1
        assert bare.info.get("dpi") == full.info.get("dpi")


def test_the_timing_of_an_animation_stays():
    gif("in.gif")
    run("in.gif", "--scale", 2, "--strip", "-o", "out.gif")
    with Image.open("out.gif") as image:
        assert (image.n_frames, image.info["duration"], image.info["loop"]) == (2, 50, 3)


@pytest.mark.parametrize("name", ["imagej.tif", "in.ome.tif"])
def test_the_geometry_of_a_stack_stays(name):
    FILES[name](name)
    run(name, "--scale", 2, "--strip", "-o", f"out/{name}")
    done = run(f"out/{name}", "--scale", 1, "-o", "again.tif", "--dry-run")
    spacing = {"imagej.tif": ("0.1", "1 "), "in.ome.tif": ("0.1", "0.25")}[name]
    assert f"axis x    64, spacing {spacing[0]} µm" in done.stdout
    assert f"axis z    4, spacing {spacing[1]}".rstrip() in done.stdout


@pytest.mark.parametrize("name", ["in.nii", "in.nii.gz"])
def test_the_geometry_of_a_volume_stays(name):
    nifti(name)
    run(name, "--scale", 2, "--strip", "-o", f"out/{name}")
    image = nib.load(f"out/{name}")
    assert image.header.get_zooms() == (1.0, 1.0, 1.5)
    assert (image.dataobj.slope, image.dataobj.inter) == (2.0, 1.0)
    assert image.header["sform_code"] == nib.load(name).header["sform_code"]
    assert not image.header.extensions


def test_a_jpeg_without_colours_of_its_thumbnail(folder):
    """The thumbnail of EXIF, which shows the picture before it was cropped, is not in the output."""
    jpeg_with_thumbnail("in.jpg")
    assert Path("in.jpg").read_bytes().count(b"\xff\xd8\xff") == 2
    run("in.jpg", "--scale", 2, "--strip", "-o", "out.jpg")
    assert Path("out.jpg").read_bytes().count(b"\xff\xd8\xff") == 1
