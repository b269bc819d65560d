#!/usr/bin/env python3
"""Opens the page of a scheduler of its own in Chromium: submits a job there, watches it run, and cancels it.

    scripts/page_in_chromium.py [path of the syncline binary] [--shots FOLDER]

Needs playwright (`pip install playwright`) and Chromium, which is looked for on the path. Looked at are also what a phone shows and the
dark colours: nothing may be wider than the screen, and nothing may be said on the browser's console. A second scheduler has a host that
there is not: its page says so.
"""

import argparse
import contextlib
import pathlib
import re
import shutil
import subprocess
import tempfile

from playwright.sync_api import expect, sync_playwright

HERE = pathlib.Path(__file__).resolve().parent.parent
ADDRESS = "127.0.0.1:7816"
CLUSTER = '[[machines]]\nname = "box"\ncapacity = { cpu = 2 }\n'
HOST = '[[machines]]\nname = "gone"\nlabels = { ssh = "gone.invalid" }\ncapacity = { cpu = 2 }\n'


def wide(page):
    """By how much the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def submit(page, command):
    page.fill("input[name=command]", command)
    page.fill("input[name=seconds]", "60")
    page.click("#submit button")


def watch(page, shots):
    for number, command in enumerate(["sleep 61", "sleep 62", "sleep 63"]):
        submit(page, command)
        expect(page.locator("#jobs tr")).to_have_count(number + 1)
        expect(page.locator("input[name=command]")).to_have_value("")
    by_job = lambda number: page.locator("#jobs tr", has=page.locator("td:first-child", has_text=re.compile(rf"^j{number}$")))
    expect(by_job(0)).to_contain_text("running")
    expect(by_job(1)).to_contain_text("running")
    expect(by_job(2)).to_contain_text("waiting")
    expect(by_job(2)).to_contain_text("cpu")
    expect(page.locator("#chart svg, #chart *").first).to_be_visible()
    by_job(0).get_by_role("button", name="cancel").click()
    expect(by_job(0)).to_contain_text("cancelled")
    expect(by_job(2)).to_contain_text("running")
    if shots:
        page.screenshot(path=shots / "page.png", full_page=True)


@contextlib.contextmanager
def served(syncline, folder, cluster):
    """The address of the page of a scheduler, which ends with the block."""
    pathlib.Path(folder).mkdir()
    file = pathlib.Path(folder, "cluster.toml")
    file.write_text(cluster)
    command = [syncline, "schedule", "serve", "--cluster", file, "--policy", "fifo", "--state", f"{folder}/state", "--listen", ADDRESS]
    daemon = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield next(found.group(0) for line in daemon.stdout if (found := re.search(r"http://\S+#\w+", line)))
    finally:
        daemon.terminate()
        daemon.wait()


def fits(page, shots, name):
    """Nothing is wider than the window, on a phone and on a screen, by day and by night."""
    for colours in ["light", "dark"]:
        for width in [390, 1280]:
            page.emulate_media(color_scheme=colours)
            page.set_viewport_size({"width": width, "height": 800})
            assert wide(page) <= 0, f"{wide(page)} pixels too wide at {width}"
            if shots:
                page.screenshot(path=shots / f"{name}{colours}-{width}.png")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("syncline", nargs="?", type=pathlib.Path, default=HERE / "target/debug/syncline")
    arguments.add_argument("--shots", type=pathlib.Path, help="a folder for pictures")
    given = arguments.parse_args()
    if given.shots:
        given.shots.mkdir(parents=True, exist_ok=True)
    browser_path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder:
        syncline, said = given.syncline.resolve(), []
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
            page = browser.new_page()
            page.set_default_timeout(20_000)
            expect.set_options(timeout=20_000)
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            with served(syncline, f"{folder}/cores", CLUSTER) as address:
                page.goto(address)
                watch(page, given.shots)
                fits(page, given.shots, "")
                # What runs would outlive the daemon.
                for job in ["j1", "j2"]:
                    subprocess.run([syncline, "schedule", "cancel", job, "--state", f"{folder}/cores/state"], check=True, stdout=subprocess.DEVNULL)
                page.close()
            page = browser.new_page()
            page.on("pageerror", lambda error: said.append(str(error)))
            with served(syncline, f"{folder}/host", HOST) as address:
                page.goto(address)
                expect(page.locator(".use")).to_contain_text(re.compile("gone ?does not answer"))
                submit(page, "true")
                expect(page.locator("#jobs tr")).to_contain_text("waiting")
                expect(page.locator("#jobs tr")).to_contain_text("gone does not answer")
                fits(page, given.shots, "gone-")
            browser.close()
        assert not said, said
    print("submitted, watched and cancelled; a host that is gone is named; nothing is wider than its window; the console is empty")


main()
