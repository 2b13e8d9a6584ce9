# SPDX-License-Identifier: Apache-2.0
"""Targets and the report, of a folder of made-up results; and how benchmarks/run takes its command line."""
import json
import os
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as etree

import pytest

import canned
from measuring import cases, tables, targets

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUN = os.path.join(ROOT, "benchmarks", "run")


@pytest.fixture
def folder(tmp_path):
    canned.write(tmp_path / "results")
    return tmp_path / "results"


def verdicts(folder):
    return {(row["name"], row["against"]): (row["measured"], row["verdict"])
            for row in targets.evaluate(targets.Results(folder))}


# --- targets ---

def test_each_target_is_judged_by_its_own_numbers(folder):
    found = verdicts(folder)
    assert found["engine, hot positive, 100 K names", "the loop without lookups"] == ("50.0", "reached")
    assert found["engine, random positive, 10 M names", "random reads of the same memory"] == (
        "160.0", "missed")
    assert found["growth of a random query, 1 K to 50 M names", "itself"] == (
        "2.00", "no verdict (to 10,000,000 names, not 50,000,000)")
    rings = "5tswap on the same rings"
    assert found["whole loop, rings, hot positive", rings] == ("8.00", "missed")
    assert found["whole loop, rings, random positive", rings] == ("8.00", "reached")
    assert found["rate limits and cookies", "the same run without"] == ("0.12", "reached")
    assert found["queries lost or wrong while images are swapped", "none"] == ("0", "reached")
    assert found["99.9th percentile while images are swapped", "the same run without"] == ("1.20", "reached")
    assert found["whole loop, memif, hot positive", "testpmd 5tswap"] == ("0.62", "reached")
    assert found["real sockets, veth and AF_XDP", "testpmd 5tswap"] == ("0.98", "reached")
    assert found["real sockets, veth and AF_XDP", "Knot XDP"] == ("3.27", "reached")
    assert found["one change, own time, dearest kind", "itself"] == ("10.0", "reached")
    assert found["UPDATE to served, median", "Knot, NSD"] == ("60.0", "missed")
    assert found["UPDATE to served, 99th percentile", "Knot, NSD"] == ("109.0", "missed")
    assert found["queries without an answer while UPDATEs are served", "none"] == ("0", "reached")
    assert found["200 UPDATEs a second: lost", "none"] == ("1", "missed")
    assert found["200 UPDATEs a second: most behind", "itself"] == ("900", "reached")
    assert found["AXFR out", "Knot"] == ("1.11", "missed")
    assert found["TCP, pipelined", "Knot"] == ("1.80", "reached")
    assert found["TLS, pipelined", "NSD (Knot 3.2 has none)"] == ("2.25", "reached")
    assert found["zone file to answers, 1 M delegations", "Knot"] == ("0.33", "reached")
    assert found["records compiled", "itself"] == ("1.15", "reached")
    assert found["image beside memory, 1 M delegations", "Knot"] == ("0.33", "reached")
    assert found["memory of the process that serves 1 M delegations", "Knot"] == ("0.60", "missed")
    assert found["memory of the process that serves 1 M delegations", "NSD"] == ("0.30", "reached")
    assert found["image, 1 M delegations", "itself"] == ("104.5", "reached")
    assert found["peak memory of build", "the image"] == ("1.36", "reached")
    assert len(found) == len(targets.TARGETS)


def test_several_rates_of_a_round_count_with_the_best_one():
    rows = [{"round": 1, "replied": 5}, {"round": 1, "replied": 9}, {"round": 2, "replied": 7}]
    assert targets.best_of_rounds(rows) == [9, 7]


def test_no_verdict_where_rounds_differ_too_much(folder):
    rows = tables.read(folder / "memif.csv")
    rows[0]["qps"] *= 2
    tables.write(folder / "memif.csv", rows)
    assert verdicts(folder)["whole loop, memif, hot positive", "testpmd 5tswap"][1].startswith(
        "no verdict (spread ")
    assert verdicts(folder)["whole loop, memif, random positive", "testpmd 5tswap"][1] == "reached"


def test_a_verdict_of_a_size_that_was_not_measured_is_not_given(folder):
    rows = tables.read(folder / "growth.csv")
    tables.write(folder / "growth.csv", [row for row in rows if row["names"] != 100_000])
    assert verdicts(folder)["engine, hot positive, 100 K names", "the loop without lookups"] == (
        "40.0", "no verdict (1,000 names, not 100,000)")
    for row in rows:
        if row["names"] == 10_000_000:
            row["names"] = 50_000_000
    tables.write(folder / "growth.csv", rows)
    assert verdicts(folder)["growth of a random query, 1 K to 50 M names", "itself"] == ("2.00", "reached")


def test_growth_that_is_too_much_already_is_missed(folder):
    rows = tables.read(folder / "growth.csv")
    for row in rows:
        if row["names"] == 10_000_000 and row["case"] == "random positive":
            row.update(ns=row["ns"] * 2, cycles=row["cycles"] * 2)
    tables.write(folder / "growth.csv", rows)
    assert verdicts(folder)["growth of a random query, 1 K to 50 M names", "itself"] == ("4.00", "missed")


def test_a_query_without_an_answer_is_missed(folder):
    key = "queries without an answer while UPDATEs are served", "none"
    rows = tables.read(folder / "update-to-served.csv")
    tables.write(folder / "update-to-served.csv", [{**row, "unanswered": int(row["round"] == 5)} for row in rows])
    assert verdicts(folder)[key] == ("1", "missed")
    # As in results of a time when they were not counted: one would have been waited for.
    rows = [{name: value for name, value in row.items() if name != "unanswered"} for row in rows]
    tables.write(folder / "update-to-served.csv", rows)
    assert verdicts(folder)[key] == ("0", "reached")
    rows[3]["both_ms"] = 230.0
    tables.write(folder / "update-to-served.csv", rows)
    assert verdicts(folder)[key] == ("", "not measured")


def test_a_rival_that_answers_all_that_it_is_asked_might_answer_more(folder):
    """The generator's pace is no limit of the server that keeps up with it."""
    rows = tables.read(folder / "veth-hosts.csv")
    for row in rows:
        if row["server"] == "knot-xdp":
            row["asked"] = row["replied"] * 1.01
    tables.write(folder / "veth-hosts.csv", rows)
    assert verdicts(folder)["real sockets, veth and AF_XDP", "Knot XDP"] == (
        "3.27", "no verdict (Knot XDP answered all that it was asked)")
    # What 5tswap sends back is the limit of the cable and of the generator, and is meant to be.
    for row in rows:
        row["asked"] = row["replied"]
    tables.write(folder / "veth-hosts.csv", rows)
    assert verdicts(folder)["real sockets, veth and AF_XDP", "testpmd 5tswap"][1] == "reached"


def test_the_spread_of_what_limits_cost_is_that_of_the_cost(folder):
    """4 % of the rate are a third of what it costs: of 12 % with such a spread nobody knows whether it is below 15."""
    rows = tables.read(folder / "rings.csv")
    limited = [row for row in rows if row["server"] == "stele with limits" and row["part"] == "two threads"
               and row["case"] == "hot positive cookie"]
    for row, factor in zip(limited, (0.97, 1.0, 1.01)):
        row["qps"] *= factor
    tables.write(folder / "rings.csv", rows)
    assert verdicts(folder)["rate limits and cookies", "the same run without"] == ("0.12", "no verdict (spread 28%)")


def test_no_verdict_on_a_busy_machine(folder):
    rows = tables.read(folder / "noise.csv")
    rows[0].update(before_ns=180, after_ns=190)
    tables.write(folder / "noise.csv", rows)
    assert "busy machine" in verdicts(folder)[
        "engine, random positive, 10 M names", "random reads of the same memory"][1]
    assert verdicts(folder)["whole loop, rings, hot positive", "5tswap on the same rings"][1] == "missed"


def test_what_the_worst_rounds_reach_is_reached_on_a_busy_machine_too(folder):
    rows = tables.read(folder / "noise.csv")
    for row in rows:
        row.update(before_ns=180, after_ns=190)
    tables.write(folder / "noise.csv", rows)
    found = verdicts(folder)
    assert found["engine, hot positive, 100 K names", "the loop without lookups"][1] == "reached"
    assert found["image beside memory, 1 M delegations", "Knot"][1] == "reached"


def test_a_busy_machine_may_have_slowed_the_rival_more(folder):
    assert verdicts(folder)["real sockets, veth and AF_XDP", "Knot XDP"][1] == "reached"
    rows = tables.read(folder / "noise.csv")
    for row in rows:
        row.update(before_ns=180, after_ns=190)
    tables.write(folder / "noise.csv", rows)
    found = verdicts(folder)
    for key in (("real sockets, veth and AF_XDP", "Knot XDP"), ("whole loop, memif, hot positive", "testpmd 5tswap"),
                ("TCP, pipelined", "Knot"), ("zone file to answers, 1 M delegations", "Knot"),
                ("rate limits and cookies", "the same run without")):
        assert found[key][1].startswith("no verdict (busy machine"), key


def test_the_worst_rounds_beside_the_best_of_another_need_no_small_spread(folder):
    rows = tables.read(folder / "tcp.csv")
    first = next(row for row in rows if row["server"] == "stele" and row["case"] == "tcp")
    first["queries_a_second"] *= 3
    tables.write(folder / "tcp.csv", rows)
    assert verdicts(folder)["TCP, pipelined", "Knot"][1] == "reached"
    first["queries_a_second"] /= 30
    tables.write(folder / "tcp.csv", rows)
    assert verdicts(folder)["TCP, pipelined", "Knot"][1].startswith("no verdict (")


def test_what_one_thread_reaches_two_do_for_certain(folder):
    rows = tables.read(folder / "rings.csv")
    next(row for row in rows if row["server"] == "stele" and row["case"] == "random positive")["qps"] /= 2
    tables.write(folder / "rings.csv", rows)
    key = "whole loop, rings, random positive", "5tswap on the same rings"
    assert verdicts(folder)[key] == ("8.00", "reached")
    for row in rows:
        if row["part"] == "one thread":
            row["qps"] /= 2
    tables.write(folder / "rings.csv", rows)
    assert verdicts(folder)[key][1].startswith("no verdict (")


def test_no_verdict_of_a_quick_run(tmp_path):
    canned.write(tmp_path / "quick", "quick")
    assert {word for _, word in verdicts(tmp_path / "quick").values()} == {"no verdict (quick run)"}


def test_what_was_not_measured_is_told(folder):
    (folder / "tls.csv").unlink()
    assert verdicts(folder)["TLS, pipelined", "NSD (Knot 3.2 has none)"] == ("", "not measured")


def test_what_is_missed_is_explained_by_its_own_numbers(folder):
    rows = tables.read(folder / "memif.csv")
    for row in rows:
        row["qps"] *= 0.5 if row["server"] == "stele" else 1
    tables.write(folder / "memif.csv", rows)
    rows = tables.read(folder / "growth.csv")
    for row in rows:
        if row["case"] == "random NXDOMAIN DO" and row["names"] == 10_000_000:
            row.update(ns=row["ns"] * 2, cycles=row["cycles"] * 2)
    tables.write(folder / "growth.csv", rows)
    found = {(row["name"], row["verdict"]): row["why"] for row in targets.evaluate(targets.Results(folder))
             if "why" in row}
    assert {verdict for _, verdict in found} == {"missed"}
    why = found["whole loop, memif, hot positive", "missed"]
    assert "in 125 ns," in why and "leave 83 ns" in why and "Stele takes 275." in why and "takes 143 ns in all" in why
    why = found["growth of a random query, 1 K to 50 M names", "missed"]
    assert why.startswith("random NXDOMAIN DO grows most, from 120 to 480 ns") and "20.0 to 40.0 ns (2.0 times)" in why
    assert found["AXFR out", "missed"] == "no number of this run tells."
    why = found["memory of the process that serves 1 M delegations", "missed"]
    assert why.startswith("Stele's process takes 60 MiB, 0 of them in huge pages:") and why.endswith("takes 20.")
    lines = targets.missed(targets.Results(folder))
    assert len(lines) == 2 + len(found) and "- AXFR out, beside Knot: no number of this run tells." in lines
    (folder / "rings.csv").unlink()
    assert "- whole loop, memif, hot positive, beside testpmd 5tswap: what would tell was not measured." in (
        targets.missed(targets.Results(folder)))


def test_what_limits_take_is_told_where_it_is_too_much(folder):
    rows = tables.read(folder / "rings.csv")
    for row in rows:
        if row["server"] == "stele with limits":
            row.update(qps=row["qps"] / 2, busy_ns=row["busy_ns"] * 2)
    tables.write(folder / "rings.csv", rows)
    why, = (row["why"] for row in targets.evaluate(targets.Results(folder)) if row["name"] == "rate limits and cookies")
    assert "143 ns, of which 0.15 of the rate would leave 25 for both. They take 190:" in why


def test_nothing_is_explained_where_nothing_is_missed(tmp_path):
    canned.write(tmp_path / "quick", "quick")
    assert targets.missed(targets.Results(tmp_path / "quick")) == []


def test_each_target_belongs_to_a_case():
    assert {target.case for target in targets.TARGETS} <= set(cases.BY_NAME)


def test_targets_go_into_a_document(folder, tmp_path):
    page = tmp_path / "README.md"
    page.write_text(f"before\n{targets.BEGIN}\nold\n{targets.END}\nafter\n")
    for _ in range(2):      # a second time changes nothing
        targets.rewrite(page, targets.Results(folder), "results/x/report.md")
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith(f"{targets.END}\nafter\n") and "old" not in text
    assert text.count("| what | against |") == 1 and "2026-01-02" in text and "results/x/report.md" in text
    page.write_text("nothing")
    with pytest.raises(ValueError):
        targets.rewrite(page, targets.Results(folder), "x")


def test_the_readme_has_a_place_for_them():
    with open(os.path.join(ROOT, "benchmarks", "README.md"), encoding="utf-8") as file:
        text = file.read()
    assert text.count(targets.BEGIN) == text.count(targets.END) == 1


def test_each_column_of_the_results_is_explained():
    with open(os.path.join(ROOT, "benchmarks", "README.md"), encoding="utf-8") as file:
        section = file.read().split("## Columns")[1].split("\n## ")[0]
    explained, unknown = set(re.findall(r"`([a-z0-9_]+)`", section)), set()
    for path in pathlib.Path(ROOT, "benchmarks", "results").rglob("*.csv"):
        rows = tables.read(path)
        unknown |= {column for column in [*rows[0], *(row["measure"] for row in rows if "measure" in row)]
                    if column not in explained}
    assert unknown == set()


# --- the report ---

def command(*arguments):
    return subprocess.run([sys.executable, RUN, *map(str, arguments)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("report") / "results"
    canned.write(folder)
    done = command("--report", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_report_has_all_sections(written):
    text = (written / "report.md").read_text()
    assert "Abacus, 2 cores" in text and "2026-01-02" in text
    for name in ("engine", "growth", "rings", "memif", "veth-hosts", "tcp", "tls", "load-tld", "axfr-in", "axfr-out",
                 "update-to-served", "update-to-served-signed", "update"):
        title = cases.BY_NAME[name].title
        assert f"## {title[0].upper()}{title[1:]}\n" in text, name
    assert "| Knot XDP | 150,000 (±10%) |" in text
    assert "- veth-root: exit status 1" in text
    assert text.rindex("## ") == text.index("## Targets")
    assert "\n- engine, random positive, 10 M names, beside random reads of the same memory: " in text
    assert "\n\n\n" not in text


def test_each_picture_of_the_report_is_there_and_well_formed(written):
    names = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", (written / "report.md").read_text())
    assert len(names) == len(set(names)) >= 12
    for name in names:
        root = etree.parse(written / name).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        words = "".join(root.itertext())
        assert "Stele" in words or name in ("engine.svg", "growth.svg", "update.svg"), name
    assert "ns a query" in (written / "growth.svg").read_text()


def test_the_same_numbers_give_the_same_bytes(written):
    before = {path.name: path.read_bytes() for path in written.iterdir()}
    assert command("--report", written).returncode == 0
    assert {path.name: path.read_bytes() for path in written.iterdir()} == before
    assert not re.search(rb"<dc:date>|\d{4}-\d\d-\d\dT", before["growth.svg"])


def test_a_section_whose_numbers_are_not_there_says_so(tmp_path):
    """As in results of a time when its file had other columns."""
    pytest.importorskip("matplotlib")
    folder = tmp_path / "old"
    canned.write(folder)
    tables.write(folder / "rings.csv", [{key: value for key, value in row.items() if key != "part"}
                                        for row in tables.read(folder / "rings.csv")])
    done = command("--report", folder)
    assert done.returncode == 0, done.stderr
    text = (folder / "report.md").read_text()
    assert "not in these results (rings: " in text and "| Knot XDP | 150,000 (±10%) |" in text


def test_the_report_tells_what_is_not_alike(written):
    text = (written / "report.md").read_text()
    assert "Stele starts from an image that is there, the others from zone files." in text
    assert "NSD takes no UPDATE: it follows Knot, which waits for a second before it tells it" not in text
    assert "size of its image" in text


def test_the_report_tells_who_answered_all_that_it_was_asked(tmp_path):
    pytest.importorskip("matplotlib")
    folder = tmp_path / "all"
    canned.write(folder)
    rows = tables.read(folder / "veth-hosts.csv")
    for row in rows:
        if row["server"] in ("5tswap", "knot-xdp") and row["mix"] == "hot":
            row["asked"] = row["replied"]
    tables.write(folder / "veth-hosts.csv", rows)
    rows = tables.read(folder / "update-to-served.csv")
    tables.write(folder / "update-to-served.csv", rows + [{**row, "server": "nsd"} for row in rows[:100]])
    done = command("--report", folder)
    assert done.returncode == 0, done.stderr
    text = (folder / "report.md").read_text()
    assert "what they were asked, and might answer more: testpmd 5tswap hot; Knot XDP hot." in text
    assert "NSD takes no UPDATE: it follows Knot, which waits for a second before it tells it" in text


def test_the_report_tells_of_cases_of_another_build(tmp_path):
    pytest.importorskip("matplotlib")
    folder = tmp_path / "builds"
    canned.write(folder)
    about = json.loads((folder / "run.json").read_text())
    about["facts"]["stele"] = "one"
    about["builds"] = {"growth": "two", "rings": "one", "tcp": "two"}
    (folder / "run.json").write_text(json.dumps(about))
    assert command("--report", folder).returncode == 0
    assert "By another build: growth and tcp by two." in (folder / "report.md").read_text()


def test_a_report_without_what_draws_is_refused(folder, tmp_path):
    """Before anything is measured, too: it would be after an hour."""
    (tmp_path / "matplotlib").mkdir()
    (tmp_path / "matplotlib" / "__init__.py").write_text("raise ImportError('not here')\n")
    for arguments in (["--report", folder], ["--only", "growth", "--no-build", "--results", tmp_path / "none"]):
        done = subprocess.run([sys.executable, RUN, *map(str, arguments)], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={**os.environ, "PYTHONPATH": str(tmp_path)})
        if os.geteuid() != 0 and "root" in done.stderr:
            continue
        assert done.returncode == 3, done.stderr
        assert done.stderr.startswith("benchmarks/run: not installed: ") and "python3-matplotlib" in done.stderr
    assert not (tmp_path / "none").exists()


def test_a_quick_report_says_so(tmp_path):
    pytest.importorskip("matplotlib")
    canned.write(tmp_path / "quick", "quick")
    assert command("--report", tmp_path / "quick").returncode == 0
    text = (tmp_path / "quick" / "report.md").read_text()
    assert "Quick, no verdicts" in text and "reached" not in text.split("## Targets")[1]


# --- the command line ---

def test_list_names_all_cases():
    done = command("--list")
    assert done.returncode == 0 and done.stderr == ""
    for case in cases.CASES:
        assert re.search(rf"^{case.name} ", done.stdout, re.M)


@pytest.mark.parametrize("arguments, words", [
    (["--only", "engine,nothing"], "no case 'nothing'"), (["--only", ""], "no case ''"),
    (["--quick", "--long"], "not allowed with"),
    (["--report", "/nonexistent"], "no folder of results"), (["--root-zone", "/nonexistent"], "is not there"),
    (["--nothing"], "unrecognized")])
def test_wrong_usage_is_told(arguments, words):
    done = command(*arguments)
    assert done.returncode == 2 and words in done.stderr and done.stdout == ""


@pytest.mark.parametrize("program, arguments, words", [
    ("veth", "--rates x", "expected numbers with commas"), ("veth", "--rates 0", "expected at least 1"),
    ("veth", "--cpus 0", "expected two of"), ("tcp", "--cpus a,b", "expected two of"),
    ("axfr-in", "--only bind", "expected some of stele,knot,nsd"), ("axfr-out/run", "--only x", "expected some of"),
    ("axfr-out/run", "--runs 0", "fewer than 3"), ("update-to-served", "--servers x,knot", "expected some of"),
    ("update-to-served", "--rate 0", "expected at least 1"),
    ("compare-load", "--zones root --root-zone /nonexistent", "/nonexistent is not there")])
def test_wrong_usage_of_a_command_is_told_before_anything_is_done(program, arguments, words):
    done = subprocess.run([sys.executable, os.path.join(ROOT, "benchmarks", program), *arguments.split()], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr and done.stdout == ""


def test_results_of_another_size_are_not_mixed(folder, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root, which is asked for first")
    pytest.importorskip("matplotlib")
    build = tmp_path / "build" / "meson-info"
    build.mkdir(parents=True)
    (build / "intro-buildoptions.json").write_text(json.dumps(
        [{"name": "b_sanitize", "value": "none"}, {"name": "buildtype", "value": "release"}]))
    done = command("--no-build", "--quick", "--only", "growth", "--build-dir", tmp_path / "build", "--results", folder)
    assert done.returncode == 3 and "has results of the size 'full', not 'quick'" in done.stderr


def test_cases_are_chosen_by_name_or_beginning():
    assert [case.name for case in cases.chosen("full", ["tcp", "axfr"])] == ["tcp", "axfr-in", "axfr-out"]
    assert [case.name for case in cases.chosen("full", ["update"])] == ["update"]
    assert all(not case.only_long for case in cases.chosen("full"))
    assert len(cases.chosen("long")) == len(cases.CASES)
    with pytest.raises(ValueError):
        cases.chosen("full", ["axf"])


def test_a_build_with_sanitizers_is_refused(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root, which is asked for first")
    build = tmp_path / "build" / "meson-info"
    build.mkdir(parents=True)
    for options, words in (({"b_sanitize": "address", "buildtype": "release"}, "sanitizers"),
                           ({"b_sanitize": "none", "buildtype": "debug"}, "'debug', not 'release'")):
        (build / "intro-buildoptions.json").write_text(json.dumps(
            [{"name": name, "value": value} for name, value in options.items()]))
        done = command("--no-build", "--only", "growth", "--build-dir", tmp_path / "build", "--results",
                       tmp_path / "results")
        assert done.returncode == 3 and words in done.stderr
    assert not (tmp_path / "results").exists()
