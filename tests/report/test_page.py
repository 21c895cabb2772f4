"""The report, as text and in a real browser."""

import base64
import contextlib
import hashlib
import html.parser
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest

from tests.pipeline_helpers import asked
from tests.samples import SAMPLES
from upsample_cli.batch.job import Job
from upsample_cli.batch.result import Result
from upsample_cli.batch.run import ExecutionOptions, run_job
from upsample_cli.errors import InputError, OutputError, RequestError
from upsample_cli.preview.tap import Thumbnails
from upsample_cli.preview.views import View
from upsample_cli.report import page as report
from upsample_cli.report.page import HtmlReport

FILES = ("cat.jpg", "icon.png", "bilevel.png", "brain.nii.gz", "labels.nii.gz", "stack_imagej.tif", "signal.npy")
ODD = os.fsdecode(b"a <b>&\"'\xff\n.png")  # markup, quotes, a line break, and what is no UTF-8


class Page(html.parser.HTMLParser):
    """What a page holds: its elements, and the text of each by class."""

    def __init__(self, path):
        super().__init__()
        self.elements = []
        self.text = path.read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def names(self):
        return [article["data-name"] for article in self.all("article")]


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """What became of files of every family, one that is damaged, one that is skipped, and one of a strange name."""
    folder = tmp_path_factory.mktemp("batch")
    (folder / "out").mkdir()
    for name in FILES:
        shutil.copy(SAMPLES / name, folder)
    shutil.copy(SAMPLES / "icon.png", folder / ODD)
    (folder / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\nxx")
    with contextlib.chdir(folder):
        jobs = [Job(Path(name), Path("out", name), asked(scale=2)) for name in (*FILES, ODD, "damaged.png")]
        found = [run_job(number, job, ExecutionOptions(thumbnails=True)) for number, job in enumerate(jobs)]
    return [*found, Result(Path("old.png"), Path("out/old.png"), "skipped", number=len(found), reason="exists")]


@pytest.fixture
def results(batch, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    return batch


def written(results, path="report.html", **options):
    with HtmlReport(Path(path), **options) as page:
        for result in results:
            page.add(result)
    return Page(Path(path))


def stripped(text):
    """A page without its times."""
    return re.sub(r'data-seconds="[\d.]+"|<dd>[\d.]+ s</dd>|[\d.]+ s</p>|\d{4}-\d\d-\d\d \d\d:\d\d UTC', "", text)


def test_failures_come_first_and_the_others_in_their_order(results):
    page = written(reversed(results))
    assert page.names[0] == "damaged.png"
    assert page.names[1 : len(FILES) + 1] == list(FILES)
    assert [article["data-status"] for article in page.all("article")] == [
        "failed",
        *["done"] * (len(FILES) + 1),
        "skipped",
    ]


def test_the_order_of_the_results_changes_nothing(results):
    one, other = written(results, "one.html"), written(reversed(results), "other.html")
    assert stripped(one.text) == stripped(other.text)
    assert len(one.text) - 500 < len(stripped(one.text)) < len(one.text)


def test_every_file_that_was_resized_has_pictures_of_both(results):
    page = written(results)
    pictures = page.all("img")
    assert len(pictures) == 2 * sum(
        3 if name in ("brain.nii.gz", "labels.nii.gz", "stack_imagej.tif") else 1 for name in (*FILES, ODD)
    )
    assert all(picture["src"].startswith("data:image/webp;base64,") and picture["alt"] for picture in pictures)
    assert {"Input", "Output", "Input, axial", "Output, sagittal", "Input, xz"} <= {
        picture["alt"] for picture in pictures
    }


@pytest.mark.parametrize(
    "fact",
    [
        "<b>Input</b> 48 × 56 × 32",
        "<b>Output</b> 96 × 112 × 64",
        "<dt>Spacing</dt><dd>3.5 × 3.5 × 5.5 mm → 1.75 × 1.75 × 2.75 mm</dd>",
        "<dt>Samples</dt><dd>3 × uint8, computed in float32</dd>",
        "<dt>Mode</dt><dd>trilinear</dd>",
        "<li>bilevel picture is written as grey (L), because blending needs new levels; --mode nearest avoids it</li>",
        '<p class="error">damaged.png: ',
        '<p class="error">the output exists</p>',
        "<h1>8 of 10 files resized</h1>",
        "8 done · 1 skipped · 1 failed · ",
        "<code>upsample &lt;x&gt; --scale 2</code>",
    ],
)
def test_what_is_said(fact, results):
    assert fact in written(results, command="upsample <x> --scale 2").text


def test_names_are_text_and_links_lead_to_their_bytes(results):
    page = written(results)
    assert '<b>&"' not in page.text
    assert "a <b>&\"'\\udcff\\n.png" in page.names
    targets = [os.fsdecode(unquote_to_bytes(link["href"])) for link in page.all("a") if "href" in link]
    assert ODD in targets
    assert f"out/{ODD}" in targets
    assert "out/damaged.png" not in targets  # which is not there


def test_a_command_of_many_files_is_shortened(results):
    page = written(results, command=f"upsample --scale 2 {ODD * 1000} --report report.html")
    assert len(page.text) < len(written(results).text) + 2000
    assert "--report report.html</code>" in page.text
    assert "upsample --scale 2 a &lt;b&gt;&amp;" in page.text


def test_links_are_seen_from_the_page(results):
    Path("pages").mkdir()
    page = written(results, "pages/report.html")
    assert "../cat.jpg" in [link.get("href") for link in page.all("a")]


def test_a_dry_run_has_plans_and_no_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(SAMPLES / "cat.jpg", tmp_path)
    page = written([run_job(0, Job(Path("cat.jpg"), Path("out.jpg"), asked(scale=2)), ExecutionOptions(dry_run=True))])
    assert not page.all("img")
    assert "<h1>1 file planned</h1>" in page.text
    assert "<dt>Size</dt><dd>451 × 300 → 902 × 600</dd>" in page.text
    assert "<dt>Output</dt><dd>1.6 MB before compression</dd>" in page.text


def test_a_file_that_could_not_be_shown_has_its_sizes(results):
    page = written([results[0]._replace(thumbnails=Thumbnails())])
    assert "<dt>Size</dt><dd>451 × 300 → 902 × 600</dd>" in page.text
    assert not page.all("img")


def test_nothing_is_loaded_and_no_foreign_script_runs(results):
    page = written(results)
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:; ")
    for kind in ("style", "script"):
        (content,) = re.findall(f"<{kind}>(.*?)</{kind}>", page.text, re.S)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert not re.search(r"""(src|href|url\()\s*=?\s*["']?(https?:)?//""", page.text)
    assert not [a for _, a in page.elements if "style" in a or any(name.startswith("on") for name in a)]


def large_view(number):
    """A view of as many bytes as there may be at most."""
    return View("", np.random.default_rng(number).bytes(10_000), 320, 200, 400)


def test_a_thousand_files_stay_below_30_megabytes(tmp_path):
    failed = InputError("is damaged", Path("x.png"))
    with HtmlReport(tmp_path / "report.html") as page:
        for number in range(1000):
            pictures = Thumbnails((large_view(2 * number),), (large_view(2 * number + 1),))
            page.add(
                Result(Path(f"folder/{number}.png"), Path(f"out/{number}.png"), "done", number, thumbnails=pictures)
            )
        page.add(Result(Path("x.png"), None, "failed", 1000, error=failed))
    assert 26e6 < (tmp_path / "report.html").stat().st_size < 30e6


def test_pages_of_very_many_files_have_pictures_of_the_first(results, monkeypatch):
    monkeypatch.setattr(report, "_MAX_FILES_WITH_IMAGES", 2)
    page = written(reversed(results))
    assert [picture["alt"] for picture in page.all("img")] == ["Input", "Output"] * 2
    assert "pictures of the first 2</p>" in page.text
    assert "<dt>Size</dt><dd>64 × 48 → 128 × 96</dd>" in page.text


def test_the_command_writes_it(results):
    for name in FILES[:3]:
        shutil.copy(SAMPLES / name, ".")
    Path("damaged.png").write_bytes(b"")
    files = [*FILES[:3], "damaged.png"]
    command = [sys.executable, "-m", "upsample_cli", *files, "--scale", "2", "-o", "out/", "-j", "2", "-q"]
    ended = subprocess.run([*command, "--report", "report.html"], capture_output=True, text=True, check=False)
    assert ended.returncode == 5, ended.stderr
    page = Page(Path("report.html"))
    assert page.names == ["damaged.png", *FILES[:3]]
    assert len(page.all("img")) == 6
    assert "<code>upsample cat.jpg icon.png " in page.text


def broken_off(results, error):
    yield from results
    raise error


@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_batch_has_a_page_of_what_is_done(results, signal):
    with pytest.raises(signal):
        written(broken_off(results[:1], signal))
    page = Page(Path("report.html"))
    assert len(page.names) == 1
    assert "interrupted" in page.text
    with pytest.raises(signal):
        written(broken_off([], signal))
    assert Page(Path("report.html")).names == page.names


def test_there_is_no_page_when_the_batch_breaks_off(tmp_path, results):
    with pytest.raises(OutputError):
        written(broken_off(results[:1], OutputError("the disk is full", tmp_path)))
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".html" or path.name.startswith(".")]


def test_what_a_killed_batch_has_left_is_removed(tmp_path, results):
    left = tmp_path / ".upsample-0123456789ab.tmp.html"
    left.write_text("half a page")
    os.utime(left, (0, 0))
    written(results)
    assert not left.exists()


def test_a_report_is_replaced_and_nothing_else(tmp_path, results):
    written(results[:1], "report.html")
    assert len(written(results[:2], "report.html").names) == 2
    Path("page.html").write_text("<!doctype html><p>mine")
    with pytest.raises(OutputError, match=r"page.html: exists and is not a report; --overwrite replaces it"):
        written(results, "page.html")
    assert Path("page.html").read_text() == "<!doctype html><p>mine"
    assert written(results, "page.html", overwrite=True).names


@pytest.mark.parametrize(
    ("path", "kind", "reason"),
    [
        ("folder.html", OutputError, "is a directory"),
        ("none/report.html", OutputError, "cannot be written"),
        ("long" * 100 + ".html", OutputError, "cannot be written"),
        ("cat.jpg", RequestError, "--report needs a file name ending in .html"),
    ],
    ids=["directory", "nowhere", "long", "picture"],
)
def test_what_cannot_be_written_is_refused_before_the_batch(path, kind, reason, results):
    Path("folder.html").mkdir()
    with pytest.raises(kind, match=reason) as caught, HtmlReport(Path(path), overwrite=True):
        pytest.fail("the batch began")
    assert caught.value.path == Path(path)


def test_a_disk_that_is_full_leaves_nothing(tmp_path, results, monkeypatch):
    page = HtmlReport(tmp_path / "report.html")

    def fail(self, pieces):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("upsample_cli.report.page.Destination.write", fail)
    with pytest.raises(OutputError, match="No space left"), page:
        page.add(results[0])
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".html" or path.name.startswith(".")]


# In a browser.

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium, without a window."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("chromium or chromedriver is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
        try:
            yield driver
        finally:
            driver.quit()


@pytest.fixture
def opened(browser, results):
    """Opens a report in a window of some size, light or dark."""
    written([result._replace(seconds=10.0 - number) for number, result in enumerate(results)])

    def open_in(width=1280, height=900, scheme="light", path="report.html"):
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        wanted = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", wanted)
        browser.get(Path(path).resolve().as_uri())
        return browser

    return open_in


def printable(driver):
    script = "return [...document.querySelectorAll('.entry:not([hidden])')].map((entry) => entry.dataset.name)"
    return driver.execute_script(script)


def chosen(driver, selector):
    driver.execute_script("document.querySelector(arguments[0]).click()", selector)
    return printable(driver)


def sorted_by(driver, key):
    driver.find_element("css selector", f"#sort option[value={key}]").click()
    return printable(driver)


def test_the_browser_filters(opened):
    driver = opened()
    everything = printable(driver)
    assert everything[0] == "damaged.png"
    assert len(everything) == 10
    assert chosen(driver, "input[value=failed]") == ["damaged.png"]
    assert chosen(driver, "input[value=skipped]") == ["old.png"]
    assert chosen(driver, "input[value=warned]") == ["bilevel.png", "labels.nii.gz"]
    assert chosen(driver, "input[value=all]") == everything
    find = driver.find_element("id", "find")
    find.send_keys("TRILINEAR  brain")
    assert printable(driver) == ["brain.nii.gz"]
    assert driver.find_element("id", "count").text == "1 of 10 files"
    find.send_keys("nothing of the kind")
    assert printable(driver) == []
    driver.find_element("id", "clear").click()
    assert printable(driver) == everything


def test_the_browser_sorts(opened, results):
    driver = opened()
    first = printable(driver)
    assert sorted_by(driver, "name") == sorted(first)
    assert sorted_by(driver, "seconds") == [*FILES, first[-2], "damaged.png", "old.png"]
    assert sorted_by(driver, "samples")[0] == "cat.jpg"
    assert sorted_by(driver, "bytes")[0] == max(results, key=lambda result: result.bytes).input.name
    assert sorted_by(driver, "growth")[:3] == ["brain.nii.gz", "labels.nii.gz", "stack_imagej.tif"]
    reverse = driver.find_element("id", "reverse")
    before = sorted_by(driver, "name")
    reverse.click()
    assert printable(driver) == before[::-1]
    assert reverse.get_attribute("aria-pressed") == "true"
    reverse.click()
    assert sorted_by(driver, "order") == first


def test_names_are_sorted_as_people_count(opened, results):
    written([results[0]._replace(input=Path(name)) for name in ("b10.png", "b9.png", "a.png")], "names.html")
    assert sorted_by(opened(path="names.html"), "name") == ["a.png", "b9.png", "b10.png"]


def test_the_browser_loads_nothing_and_complains_of_nothing(opened, browser):
    for log in ("performance", "browser"):
        browser.get_log(log)  # of the tests before
    driver = opened()
    chosen(driver, "input[value=failed]")
    assert driver.get_log("browser") == []
    asked_for = re.findall(r'"url\\?":\\?"([a-z]+:[^"\\]{0,80})', str(driver.get_log("performance")))
    assert any(url.startswith("file:") for url in asked_for)
    assert all(url.startswith(("file:", "data:", "about:")) for url in asked_for)
    decoded = "return [...document.images].slice(0, 4).every((image) => image.complete && image.naturalWidth > 0)"
    assert driver.execute_script(decoded)


def test_a_foreign_script_does_not_run(opened, browser, results):
    page = written(results).text
    attack = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"
    Path("taken.html").write_text(page.replace("<main", attack + "<main"), encoding="utf-8")
    driver = opened(path="taken.html")
    time.sleep(0.1)
    assert driver.title == "upsample: 8 of 10 files resized"
    assert any("Content Security Policy" in entry["message"] for entry in driver.get_log("browser"))


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_a_page_is_no_wider_than_its_window(width, opened):
    driver = opened(width, 800)
    sizes = "return [document.documentElement.scrollWidth, innerWidth]"
    assert driver.execute_script(sizes) == [width, width]
    parts = "[...document.querySelectorAll('.strip img, dl, h2, .error')]"
    right = f"return Math.max(...{parts}.map((part) => part.getBoundingClientRect().right))"
    assert driver.execute_script(right) <= width - 12


CONTRASTS = """
const rgb = (text) => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
  .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const back = (e) => { const c = rgb(getComputedStyle(e).backgroundColor);
  return (c.length < 4 || c[3] > 0) || !e.parentElement ? c : back(e.parentElement); };
return arguments[0].map((selector) => {
  const e = document.querySelector(selector);
  const [a, b] = [light(rgb(getComputedStyle(e).color)), light(back(e))];
  return [selector, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
});
"""
TEXTS = ["h1", ".summary", "fieldset span", "fieldset .failed b", "fieldset .warned b", ".field", "#count", "h2 a"]
TEXTS += [".output", ".failed .badge", ".warned .badge", ".done .badge", ".skipped .badge", ".entry.failed .error"]
TEXTS += [".warnings li", ".entry.skipped .error", "figcaption", "figcaption b", "dt", "dd", "footer"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_by_day_and_by_night(scheme, opened):
    driver = opened(scheme=scheme)
    found = driver.execute_script(CONTRASTS, TEXTS)
    assert len(found) == len(TEXTS)
    assert [pair for pair in found if pair[1] < 4.5] == []  # what WCAG asks for
    page = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", page)[:3])) > 384) == (scheme == "light")


def test_every_control_has_a_name_and_can_be_reached_by_keyboard(opened):
    driver = opened()
    nodes = driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    controls = [n for n in nodes if n["role"]["value"] in ("radio", "searchbox", "combobox", "button", "link", "image")]
    assert {n["role"]["value"] for n in controls} == {"radio", "searchbox", "combobox", "button", "link", "image"}
    assert all(node["name"]["value"].strip() for node in controls)
    from selenium.webdriver.common.keys import Keys

    for _ in range(2):
        driver.switch_to.active_element.send_keys(Keys.TAB)
    assert driver.switch_to.active_element.get_attribute("id") == "find"
    driver.switch_to.active_element.send_keys(Keys.SHIFT + Keys.TAB)
    driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert printable(driver) == ["damaged.png"]


def test_pictures_have_the_proportions_of_the_world(opened):
    driver = opened(360, 800)  # where three planes are narrower than they would be
    pictures = """document.querySelectorAll('.entry[data-name="brain.nii.gz"] img')"""
    sizes = driver.execute_script(f"return [...{pictures}].map((picture) => [picture.width, picture.height])")
    expected = [48 * 3.5 / (56 * 3.5), 48 * 3.5 / (32 * 5.5), 56 * 3.5 / (32 * 5.5)] * 2
    assert [width / height for width, height in sizes] == pytest.approx(expected, rel=0.04)


def test_a_thousand_files_open(opened, results):
    many = [result._replace(number=10 * k + result.number) for k in range(100) for result in results]
    written(many, "many.html")
    driver = opened(path="many.html")
    assert driver.find_element("id", "count").text == "1000 files"
    assert len(chosen(driver, "input[value=failed]")) == 100
