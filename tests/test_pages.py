"""The pages hold: links lead somewhere, and commands name scripts and flags that there are. Nothing is run or imported."""

from __future__ import annotations

import ast
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
PAGES += sorted(path for pattern in ("*/README.md", "demo/*/README.md") for path in (ROOT / "data").glob(pattern))
STAGE_OF = {"run_train_eval.sh": "train_prm.py", "run_eval.sh": "evaluate_prm.py"}  # others are called as their stage
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def anchors(page: Path) -> set[str]:
    """Of headings, as GitHub makes them."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ +(.+)$", FENCED.sub("", page.read_text()), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    lost = []
    for target in LINK.findall(FENCED.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            lost.append(target)
    assert not lost


def code_of(page: Path) -> Iterator[str]:
    """What stands in blocks and between backticks; of a script, its docstring's indented lines."""
    text = page.read_text()
    if page.suffix == ".py":
        text = ast.get_docstring(ast.parse(text)) or ""
    yield from (body for language, body in FENCED.findall(text) if language in ("", "bash", "sh"))
    text = FENCED.sub("", text)
    yield "\n".join(re.findall(r"^    (.*)$", text, re.MULTILINE))
    yield from (span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", text))


def commands(page: Path) -> Iterator[list[str]]:
    """Words of each command that runs a script of ours: from its name on."""
    for code in code_of(page):
        for line in re.sub(r"\\\n", " ", code).splitlines():
            line = re.sub(r"\s#.*", "", line)
            if not re.search(r"(python|bash) [\w/]+\.(py|sh)", line):
                continue
            words = shlex.split(re.sub(r"(&&|;|\|)", r" \1 ", line))
            starts = [place for place, word in enumerate(words) if word in ("python", "bash") and place + 1 < len(words)]
            for start, end in zip(starts, [*starts[1:], len(words)], strict=True):
                own = words[start + 1 : end]
                stop = next((place for place, word in enumerate(own) if word in ("&&", ";", "|", ">", "2>&1")), len(own))
                if re.fullmatch(r"[\w/]+\.(py|sh)", own[0]) and not Path(own[0]).stem.isupper():
                    yield own[:stop]


@cache
def library_settings() -> dict[str, tuple[list[str], dict[str, bool]]]:
    """Classes of settings of the library: their bases, and their own fields with whether each is a switch."""
    return {
        node.name: read_class(node)
        for path in (ROOT / "src/dreamprm_code").rglob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name.endswith("Settings")
    }


def read_class(node: ast.ClassDef) -> tuple[list[str], dict[str, bool]]:
    fields = {
        ast.unparse(item.target): ast.unparse(item.annotation) == "bool"
        for item in node.body
        if isinstance(item, ast.AnnAssign)
    }
    return [base.id for base in node.bases if isinstance(base, ast.Name)], fields


@cache
def flags_of(script: str) -> set[str] | None:
    """The flags of a stage: the fields of its Settings and of their bases. None for other scripts."""
    found = {
        node.name: read_class(node)
        for node in ast.parse((ROOT / script).read_text()).body
        if isinstance(node, ast.ClassDef) and node.name.endswith("Settings")
    }
    if "Settings" not in found:
        return None
    known, todo, fields = library_settings() | found, ["Settings"], dict[str, bool]()
    while todo:
        bases, own = known.get(todo.pop(), ([], {}))
        todo += bases
        fields |= own
    switches = {f"no_{name}" for name, is_switch in fields.items() if is_switch}
    return {"--" + name.replace("_", "-") for name in {"config", "help", *fields, *switches}}


@pytest.mark.parametrize("page", [*PAGES, *sorted(ROOT.glob("src/*.py")), *sorted(ROOT.glob("src/studies/*.py"))], ids=name_of)
def test_commands_name_scripts_and_flags_that_there_are(page: Path) -> None:
    wrong = []
    for name, *words in commands(page):
        if not (ROOT / name).exists():
            wrong.append(name)
            continue
        stage = f"src/{STAGE_OF.get(name, Path(name).stem + '.py')}" if name.endswith(".sh") else name
        flags = flags_of(stage) if (ROOT / stage).exists() and stage.startswith("src/") else None
        if flags is not None:
            wrong += [f"{name} {word}" for word in words if word.startswith("--") and word.partition("=")[0] not in flags]
    assert not wrong


def test_the_pages_show_commands_of_every_stage() -> None:
    """So the test above reads them: a recipe with flags, a script in a block, one in a sentence."""
    shown = {(name_of(page), words[0]) for page in PAGES for words in commands(page)}
    assert {("docs/policies.md", "gen_sol.sh"), ("README.md", "src/grade.py"), ("README.md", "src/export_prm.py")} <= shown
    assert {"--reasoning-effort", "--problems", "--num-rollouts"} <= (flags_of("src/gen_cof_label.py") or set())


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_scripts_that_a_page_mentions_are_there(page: Path) -> None:
    named = re.findall(r"(?<![\w/.])(?:src|benchmarks|tests)/[\w/]+\.(?:py|sh)\b", page.read_text())
    assert [name for name in named if not (ROOT / name).exists() and not Path(name).stem.isupper()] == []


def test_files_that_contributing_names_are_there() -> None:
    """They are named from the library's folder, from src/ or from the top, with ``*`` for several."""
    named = re.findall(r"`([\w./*-]+(?:\.(?:py|md|txt|sh)|/))`", FENCED.sub("", (ROOT / "CONTRIBUTING.md").read_text()))
    tops = [ROOT / name for name in ("src", "tests", "docs", "prompts")]
    lost = [name for name in named if not any(ROOT.glob(name)) and not any(any(top.rglob(name)) for top in tops)]
    assert len(named) > 40 and not lost
