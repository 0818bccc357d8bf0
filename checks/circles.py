#!/usr/bin/env python3
"""Finds files of a crate that import each other in a circle: `checks/circles.py load plan`.

One file imports another where it names something of it by `crate::`, `super::` or `self::`, in a
`use` or in the code; a `pub use` on the way is followed to the file that defines what it passes on.
That a module names its children (`mod`) is no import; that it passes on what is in them is one.
Comments, strings and, without --tests, what is for tests alone do not count."""

import argparse
import pathlib
import re
import sys

WORD = r"[A-Za-z_][A-Za-z0-9_]*"
SILENT = re.compile(
    r'//[^\n]*|/\*.*?\*/|b?r(#*)".*?"\1|b?"(?:\\.|[^"\\])*"|b?\'(?:\\.[^\']*|[^\'\\])\'', re.DOTALL
)


def without_tests(code):
    """The code without what stands behind `#[cfg(test)]`: a block, or up to a semicolon."""
    while found := re.search(r"#\[cfg\(test\)\]", code):
        depth, end = 0, found.end()
        while end < len(code):
            character = code[end]
            depth += (character == "{") - (character == "}")
            end += 1
            if depth == 0 and character in ";}":
                break
        code = code[: found.start()] + code[end:]
    return code


def expand(tree):
    """`a::{b as x, c::{d, self}}` as [(a b, x), (a c d, d), (a c, c)]: paths, and what they are
    called."""
    brace = tree.find("{")
    if brace < 0:
        path, _, alias = (part.strip() for part in tree.partition(" as "))
        words = path.replace(" ", "").split("::")
        return [(words, alias or words[-1])]
    head = [word for word in tree[:brace].replace(" ", "").split("::") if word.strip()]
    found, depth, item = [], 0, ""
    for character in tree[brace + 1 : tree.rfind("}")] + ",":
        depth += (character == "{") - (character == "}")
        if character == "," and depth == 0:
            for words, name in expand(item.strip()) if item.strip() else []:
                if words == ["self"]:
                    found.append((head, head[-1] if name == "self" else name))
                else:
                    found.append((head + words, name))
            item = ""
        else:
            item += character
    return found


class Crate:
    """The modules of a crate by their paths, each with its code."""

    def __init__(self, folder, with_tests):
        source = folder / "src"
        self.modules = {}
        for path in sorted(source.rglob("*.rs")):
            words = list(path.relative_to(source).with_suffix("").parts)
            if words[-1] in ("lib", "mod"):
                words.pop()
            if words != ["main"] and (with_tests or "tests" not in words):
                code = SILENT.sub(" ", path.read_text(encoding="utf-8"))
                self.modules[tuple(words)] = code if with_tests else without_tests(code)
        self.named = {module: self.names(module) for module in self.modules}

    def names(self, module):
        """What a module's `use` lines call things, with their paths in this crate."""
        found = {}
        for tree in re.findall(r"\buse\s+([^;]+);", self.modules[module]):
            for words, name in expand(" ".join(tree.split())):
                if path := self.path(module, words):
                    found[name, *path] = path
        return {key[0] if key[0] != "*" else key: path for key, path in found.items()}

    def path(self, module, words):
        """The path from the crate's root; None where it leads out of the crate."""
        if words[0] == "crate":
            return tuple(words[1:])
        if words[0] in ("super", "self"):
            at, rest = list(module), list(words)
            while rest and rest[0] in ("super", "self"):
                if rest.pop(0) == "super" and at:
                    at.pop()
            # Of an inline module, its own file.
            return None if rest == ["*"] else tuple(at + rest)
        return module + tuple(words) if module + tuple(words[:1]) in self.modules else None

    def defined_in(self, path, seen=()):
        """The module that defines what the path names."""
        for length in range(len(path), -1, -1):
            module, rest = path[:length], path[length:]
            if module in self.modules:
                further = self.named[module].get(rest[0]) if rest else None
                if further and further not in seen:
                    return self.defined_in(further + rest[1:], (*seen, further))
                return module
        return None

    def imports(self):
        """Which modules each module imports."""
        found = {}
        for module, code in self.modules.items():
            paths = list(self.named[module].values())
            body = re.sub(r"\buse\s+[^;]+;", " ", code)
            paths += [
                self.path(module, words.split("::"))
                for words in re.findall(rf"\b((?:crate|super|self)(?:::{WORD})+)", body)
            ]
            for first, second in re.findall(rf"(?<!:)\b({WORD})::({WORD})", body):
                if first in self.named[module]:
                    paths.append((*self.named[module][first], second))
            found[module] = {self.defined_in(path) for path in paths if path} - {module, None}
        return found


def circles(imports):
    """The groups of modules each of which leads to all others of its group."""
    reached = {}
    for start in imports:
        reached[start], rest = set(), [start]
        while rest:
            new = imports.get(rest.pop(), set()) - reached[start]
            reached[start] |= new
            rest += new
    groups = {
        frozenset(other for other in reached[module] if module in reached[other])
        for module in imports
        if module in reached[module]
    }
    return sorted(map(sorted, groups))


def name(module):
    return "/".join(module) or "lib"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("crates", nargs="+", type=pathlib.Path)
    parser.add_argument("--under", default="", help="only the files of this module, such as a/b")
    parser.add_argument("--tests", action="store_true", help="what is for tests alone, too")
    parser.add_argument("--list", action="store_true", help="print what each file imports")
    options = parser.parse_args()
    under = tuple(filter(None, options.under.split("/")))
    failed = False
    for folder in options.crates:
        imports = Crate(folder, options.tests).imports()
        inside = {module for module in imports if module[: len(under)] == under}
        imports = {module: imports[module] & inside for module in inside}
        found = circles(imports)
        number = sum(map(len, imports.values()))
        print(f"{folder}: {len(imports)} files, {number} imports, {len(found)} circles")
        for module in sorted(imports) if options.list else []:
            print(f"  {name(module)} -> {', '.join(map(name, sorted(imports[module])))}")
        for group in found:
            print(f"  a circle of {len(group)}: {', '.join(map(name, group))}")
        failed |= bool(found)
    return failed


if __name__ == "__main__":
    sys.exit(main())
