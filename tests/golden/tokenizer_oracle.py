"""The oracle of the tokenizer tests: open_clip's SimpleTokenizer, with ftfy; where a text has a mark in
it, with the marks spelled as in openai/CLIP, the one thing that open_clip changed.

    tokenizer_oracle.py golden VOCABULARY >tests/golden/tokenizer.json
    tokenizer_oracle.py compare VOCABULARY TOKENIZE FOLDER  10,000 lines, every code point, every HTML
                                                            reference and ImageNet's prompts, through the
                                                            tool tests/tools/tokenize.c, from VOCABULARY and
                                                            from Hugging Face's form of it, written to FOLDER;
                                                            DHO_FULL=1: all prompts, else a tenth

A line is either refused by dho or has the same ids. It may be refused only if ftfy or html.unescape would
change more of it than curly quotes, composition and white space, if it has an & that they might read, or a
C1 control.
"""
import functools
import html
import html.entities
import itertools
import json
import os
import random
import re
import struct
import subprocess
import sys
import unicodedata

import ftfy
import numpy
import open_clip.tokenizer as reference
import regex

MARKS = ["<|startoftext|>", "<|endoftext|>"]
RENAMED = ["<start_of_text>", "<end_of_text>"]  # open_clip's spelling of the same two
CONFIGS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "configs")


def make_oracle(vocabulary):
    """open_clip's tokenizer with OpenAI's marks."""
    oracle = reference.SimpleTokenizer(vocabulary)
    for mark, id in zip(MARKS, oracle.all_special_ids):
        oracle.encoder[mark] = id
    oracle.cache = {mark: mark for mark in MARKS}
    pattern = oracle.pat.pattern.removeprefix("|".join(RENAMED))
    assert pattern == r"|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    oracle.pat = regex.compile("|".join(map(regex.escape, MARKS)) + pattern, regex.IGNORECASE)
    return oracle


SPACE = re.compile("[\t\n\r\f \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
QUOTES = {code: "'" for code in [0x2BC, *range(0x2018, 0x201C)]} | {code: '"' for code in range(0x201C, 0x2020)}


def may_be_refused(line):
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return True
    if re.search("&(#|[0-9A-Za-z]{2})|[\x80-\x9f]", text):
        return True
    try:
        if text.encode("sloppy-windows-1252").decode() != text:
            return True
    except UnicodeError:
        pass
    plain = unicodedata.normalize("NFC", text.translate(QUOTES))
    return SPACE.sub(" ", html.unescape(html.unescape(ftfy.fix_text(text)))) != SPACE.sub(" ", plain)


class MojibakeWatch:
    """Whether ftfy has repaired text decoded with a wrong encoding, which dho leaves as it is. What
    fix_encoding does to C1 controls alone is done to all texts by ftfy's next step, and by dho."""

    def __init__(self):
        self.fix = ftfy.fix_encoding
        self.repaired = False
        ftfy.fix_encoding = self

    def __call__(self, text, *args, **options):
        fixed = self.fix(text, *args, **options)
        c1 = ftfy.fixes.fix_c1_controls
        self.repaired = self.repaired or c1(fixed) != c1(text)
        return fixed


GOLDEN = [
    "", " ", "a photo of a cat.", "A Photo of a DOG, a type of pet.", "it's they'll I'd we've you're I'm can't",
    "  many \t\n spaces \u3000 here\u00a0", "12345 1st \u0662\u0663 \u2167 \u00bd", "na\u00efve caf\u00e9 \u00c5ngstr\u00f6m",
    "\u0130stanbul \u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3 \u03a3 a\u03a3. stra\u00dfe", "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8",
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627", "\U0001f600\U0001f469\u200d\U0001f680 \U0001f1e9\U0001f1ea",
    "<|startoftext|> x <|EndOfText|> y", "'\u017f 'S <|\u017ftartoftext|>", "e\u0301 x\u0345y \u0928\u092e\u0938\u094d\u0924\u0947", "!!'s ''t <|x", "word " * 100,
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "antidisestablishmentarianism supercalifragilistic",
    "\u201cit\u2019s\u201d \u2018a\u2019 \u201ab\u201b \u201ec\u201f rock \u02bcn\u02bc roll \u2032 \u00abd\u00bb", "\u00e6\u0153 \ufb13 AT&T a & b &x; &",
    "a\r\nb\rc\u2028d\u2029e\x0cf", "k\u200bl\u200d m\u00adn",
    "cafe\u0301 A\u030angstro\u0308m q\u0323\u0307 q\u0307\u0323 \u1100\u1161\u11a8 \u0958 \u212b \u2126 \ufb2c \U0001d160 \uf900 \u0344",
    "a\u0327\u0301\u0300\u0316\u0327\u0301\u0300\u0316\u0327\u0301\u0300\u0316\u0327\u0301\u0300\u0316\u0327\u0301\u0300\u0316 \u1e69 s\u0307\u0323", "\u02bc\u0301 \u30ab\u3099",
]


def golden(oracle):
    watch = MojibakeWatch()
    for text in GOLDEN:
        ids = [id for id in oracle([text])[0].tolist() if id != 0]
        row = {"text": text, "pieces": oracle.pat.findall(oracle.clean_fn(text)), "ids": ids}
        assert not watch.repaired and not may_be_refused(text.encode()), text
        yield json.dumps(row)


# --- lines ---

ENTITIES = sorted(html.entities.html5)
WORDS = ["photo", "The", "I'm", "they'll", "1999", "caf\u00e9", "\u039f\u0394\u039f\u03a3", "a\u03a3'b", "it's", "e\u0301t\u00e9", "\u0130i",
         "ImageNet", *MARKS, "<|STARTOFTEXT|>", "...", "golden", "retriever", "\u017f", "'\u017f", "AT&T", "&", "\u212bngstr\u00f6m"]
SENTENCES = [
    "\u201cIt\u2019s a dog\u201d \u2013 she said\u2026", "\u00abC\u2019est la f\u00eate\u00bb, dit-il\u00a0!", "\u201eStra\u00dfenbahn\u201c f\u00fcr 5\u202f\u20ac", "\u00bfD\u00f3nde est\u00e1 el ni\u00f1o?",
    "Cora\u00e7\u00e3o \u00e0 dist\u00e2ncia n\u00ba 1", "Za\u017c\u00f3\u0142\u0107 g\u0119\u015bl\u0105 ja\u017a\u0144", "P\u0159\u00edli\u0161 \u017elu\u0165ou\u010dk\u00fd k\u016f\u0148", "\u00c1rv\u00edzt\u0171r\u0151 t\u00fck\u00f6rf\u00far\u00f3g\u00e9p",
    "\u011e\u00fcne\u015fin \u0131\u015f\u0131\u011f\u0131 \u0130zmir\u2019de", "Ti\u1ebfng Vi\u1ec7t c\u1ee7a t\u00f4i \u0111\u1eb9p", "\u0421\u044a\u0435\u0448\u044c \u0435\u0449\u0451 \u044d\u0442\u0438\u0445 \u0431\u0443\u043b\u043e\u043a", "\u0407\u0436\u0430\u043a \u0456 \u0491\u0430\u0432\u0430",
    "\u039e\u03b5\u03c3\u03ba\u03b5\u03c0\u03ac\u03b6\u03c9 \u03c4\u1f74\u03bd \u03c8\u03c5\u03c7\u03bf\u03c6\u03b8\u03cc\u03c1\u03b1 \u0392\u0394\u0395\u039b\u03a5\u0393\u039c\u0399\u0391\u03a3", "\u05d0\u05b8\u05dc\u05b6\u05e3 \u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd", "\u0645\u064e\u0631\u0652\u062d\u064e\u0628\u064b\u0627 \u0628\u0650\u0643\u064f\u0645 \u0661\u0662\u0663", "\u0641\u0627\u0631\u0633\u06cc \u0646\u0645\u06cc\u200c\u062f\u0627\u0646\u0645",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e \u0967\u0968", "\u0986\u09ae\u09be\u09b0 \u09b8\u09cb\u09a8\u09be\u09b0 \u09ac\u09be\u0982\u09b2\u09be", "\u0ba4\u0bae\u0bbf\u0bb4\u0bcd \u0bae\u0bca\u0bb4\u0bbf", "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22\u0e17\u0e35\u0e48\u0e14\u0e35", "\u1019\u103c\u1014\u103a\u1019\u102c\u1005\u102c", "\u1786\u17d2\u1798\u17b6",
    "\u10e5\u10d0\u10e0\u10d7\u10e3\u10da\u10d8 \u1c94\u1c90", "\u0540\u0561\u0575\u0565\u0580\u0565\u0576 \u0587", "\u12a0\u121b\u122d\u129b", "\u13e3\u13b3\u13a9 \uab70", "\u65e5\u672c\u8a9e\u3067\u300c\u732b\u300d\u3068\u3044\u3046", "\uff34\uff36\u3092\u898b\u308b\uff71\uff72\uff73", "\u4e2d\u6587\uff0c\u53e5\u5b50\u3002\uff08\u62ec\u53f7\uff09", "\ud55c\uad6d\uc5b4 \u110b\u1165",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f44b\U0001f3fd \u2764\ufe0f\u200d\U0001f525 \U0001f1e9\U0001f1ea 1\ufe0f\u20e3", "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "x\u00b2 + y\u00b3 \u2265 \u221a2 \u00b1 \u00bd", "\U0001d4d1\U0001d4f8\U0001d4f5\U0001d4ed \u24b6\u2460\u2122 \u00a9 2024 \u00ae", "5\u20ac, \u00a33, \u00a5100 and 20\u00b0C", "\u2191\u2193 \u2554\u2550\u2557 \u2591\u2592", "Z\u0351\u0352\u0306a\u0316\u0317l\u0334g\u0335o\u0336",
]


def is_assigned(code):
    """In this Python's version of Unicode."""
    return not 0xD800 <= code < 0xE000 and unicodedata.category(chr(code)) != "Cn"


class Lines:
    """Lines of code points that are assigned in Python's and in libunistring's version of Unicode:
    on others the two may differ."""

    def __init__(self, tool, seed):
        self.random = random.Random(seed)
        unassigned = set(numpy.frombuffer(subprocess.check_output([tool, "unassigned"]), numpy.int32).tolist())
        assigned = {code for code in range(0x110000) if is_assigned(code)}
        self.known = assigned - unassigned
        self.left_out = len(assigned ^ (set(range(0xD800)) | set(range(0xE000, 0x110000))) - unassigned)
        blocks = {}
        for code in sorted(self.known):
            if code < 0x30000:
                blocks.setdefault(code >> 7, []).append(chr(code))
        self.alphabets = list(blocks.values())
        self.letters = [chr(code) for code in sorted(self.known) if code < 0x30000]

    def of(self, alphabet, most):
        return "".join(self.random.choice(alphabet) for _ in range(self.random.randrange(1, most)))

    def reference(self):
        name = self.random.choice(ENTITIES)
        number = self.random.choice([self.random.randrange(300), ord(self.random.choice(self.letters)),
                                     self.random.randrange(0x110000, 1 << 40)])
        form = self.random.choice(["&%s", "&amp;%s", "x&%sy", "&%s;", "&amp;amp;%s", "&#%d;", "&#%d", "&#x%x;", "&#X%X", "&amp;#%d;"])
        return form % ((name if self.random.random() < 0.8 else name.upper()) if "%s" in form else number)

    def word(self, doubtful):
        random = self.random
        makers = [
            (20, lambda: random.choice(WORDS)),
            (15, lambda: random.choice(SENTENCES)),
            (3, lambda: self.of("abABx19'<|> t", 40)),
            (3, lambda: random.choice("\u02bc\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f") + random.choice(WORDS) + random.choice("'\u2019\u201d")),
            (5, lambda: unicodedata.normalize("NFD", random.choice(SENTENCES))),
            (5, lambda: random.choice(self.letters) + self.of([chr(c) for c in range(0x300, 0x370)], random.choice([4, 30]))),
            (2, lambda: self.of([chr(c) for c in range(0x1100, 0x1200)], 8)),
            (30, lambda: self.of(random.choice(self.alphabets), 12) + random.choice(["", "", "'s", "'LL", "!?", "\u0301", "\u03a3", "1"])),
        ]
        refused = [
            (10, self.reference),
            (3, lambda: self.of("abAB&;#x19'<|> lt", 40)),
            (3, lambda: self.of("\u0132\u0133\u0149\u01c4\u01c5\u01c9\u01cb\u01f1\ufb00\ufb01\ufb03\ufb05\ufb06abc", 8)),
            (3, lambda: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in random.choice(WORDS))),
            (3, lambda: self.of([chr(c) for c in range(0xFF61, 0xFFEF) if c in self.known], 8)),
            (3, lambda: random.choice(["\x1b[%dm", "\x1b[%d;1Hx", "\x1b[%d", "\x1b]%d"]) % random.randrange(100)),
            (3, lambda: self.of([chr(c) for c in range(32)] + list("ab\x7f\u206a\ufeff\ufff9\ufffc\u200b\x1c\x85"), 6)),
            (1, lambda: self.of([chr(c) for c in range(0x80, 0xA0)], 3)),
            (3, lambda: random.choice(SENTENCES).encode().decode("sloppy-windows-1252")),
        ]
        makers += refused if doubtful else []
        return random.choices([maker for _, maker in makers], [weight for weight, _ in makers])[0]()

    def line(self):
        doubtful = self.random.random() < 0.2
        spaces = [" ", " ", "", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000", "\u2028"]
        return "".join(self.word(doubtful) + self.random.choice(spaces) for _ in range(self.random.randrange(1, 14))).encode()

    def broken_line(self):
        """Bytes that are not UTF-8."""
        while True:
            whole = self.line()
            data = bytearray(whole)
            for _ in range(self.random.randrange(1, 6)):
                data[self.random.randrange(len(data))] = self.random.randrange(256)
            if data != whole and all(ord(c) in self.known for c in data.decode("utf-8", "replace")):
                return bytes(data)

    def references(self):
        forms = [(name, name) for name in ENTITIES] + [(name.upper(), name[:-1]) for name in ENTITIES]
        return [("&%s &%sx" % form).encode() for form in forms]

    def code_points(self):
        """Each beside letters, where its lower case, class and composition show; four to a line."""
        codes = [chr(code) for code in sorted(self.known) if not 0xE100 <= code < 0xF800 and code < 0xF0010]
        return [" ".join("a" + c + "b\u03a3" + c + " " + c + c + "\u0301" for c in codes[i:i + 4]).encode()
                for i in range(0, len(codes), 4)]


def prompts(step):
    """Each of ImageNet's class names in every template of configs/, or a tenth of that."""
    def read(path):
        with open(os.path.join(CONFIGS, path), encoding="utf-8") as file:
            return [line.rstrip("\n") for line in file if line.strip() and not line.startswith("#")]
    names = [line.split("\t")[-1] for line in read("imagenet/classnames.txt")]
    templates = sorted({line for name in os.listdir(os.path.join(CONFIGS, "templates")) for line in read("templates/" + name)})
    return [template.replace("{}", name).encode() for i, template in enumerate(templates) for name in names[i % step::step]]


# --- comparing ---

class Comparison:
    CONTEXT = 512

    def __init__(self, vocabulary, tool, folder):
        self.oracle = make_oracle(vocabulary)
        self.open_clip = reference.SimpleTokenizer(vocabulary)
        self.clean = functools.lru_cache(1)(self.open_clip.clean_fn)
        self.oracle.clean_fn = self.open_clip.clean_fn = self.clean  # once a text
        self.tool = tool
        self.vocabularies = [vocabulary, folder]
        self.watch = MojibakeWatch()
        self.failed = False

    def rows(self, lines, vocabulary):
        records = b"".join(struct.pack("<I", len(line)) + line for line in lines)
        output = subprocess.run([self.tool, vocabulary, str(self.CONTEXT)], input=records, stdout=subprocess.PIPE,
                                check=True).stdout
        return numpy.frombuffer(output, numpy.int32).reshape(len(lines), self.CONTEXT)

    def expected(self, line):
        """The ids, and whether ftfy repaired mojibake."""
        text = line.decode("utf-8", "replace")
        self.watch.repaired = False
        self.clean.cache_clear()
        clean = self.clean(text).replace("\u017f", "s")  # as IGNORECASE sees it
        is_marked = any(mark in clean for mark in MARKS + RENAMED)
        ids = (self.oracle if is_marked else self.open_clip)([text], self.CONTEXT)[0].numpy()
        return ids, self.watch.repaired

    def run(self, what, lines):
        equal = refused = left_out = wrong = cut = 0
        lines = iter(lines)
        while part := list(itertools.islice(lines, 5000)):
            found = [self.rows(part, vocabulary) for vocabulary in self.vocabularies]
            for line, *rows in zip(part, *found):
                is_refused = [row[0] < 0 for row in rows]
                if all(is_refused) and may_be_refused(line):
                    refused += 1
                    continue
                ids, is_repaired = self.expected(line)
                if is_repaired and not any(is_refused):
                    left_out += 1
                elif all(numpy.array_equal(ids, row) for row in rows):
                    equal += 1
                    cut += ids[-1] != 0
                else:
                    wrong += 1
                    if wrong < 10:
                        print("differs: %r\n" % line, *[ids[ids > 0].tolist() for ids in [ids, *rows]], sep="  ")
        self.failed = self.failed or wrong > 0
        print("%s: %d equal (%d cut), %d refused, %d differ; left out: %d that ftfy repairs as mojibake" %
              (what, equal, cut, refused, wrong, left_out), flush=True)


def write_folder(oracle, folder):
    """Hugging Face's vocab.json and merges.txt."""
    names = {id: name for name, id in oracle.encoder.items() if name not in RENAMED}
    with open(os.path.join(folder, "vocab.json"), "w") as file:
        json.dump({names[id]: id for id in sorted(names)}, file)
    with open(os.path.join(folder, "merges.txt"), "w") as file:
        file.write("#version: 0.2\n" + "".join("%s %s\n" % pair for pair in oracle.bpe_ranks))


def compare(vocabulary, tool, folder):
    comparison = Comparison(vocabulary, tool, folder)
    write_folder(comparison.oracle, folder)
    lines = Lines(tool, 1)
    print("code points that only one of Python and libunistring knows, left out: %d" % lines.left_out)
    comparison.run("lines", [lines.line() for _ in range(10000)])
    comparison.run("lines with a wrong byte", [lines.broken_line() for _ in range(1000)])
    comparison.run("HTML references", lines.references())
    comparison.run("code points", lines.code_points())
    comparison.run("prompts", prompts(1 if os.environ.get("DHO_FULL") == "1" else 10))
    sys.exit(comparison.failed)


def main():
    task, vocabulary = sys.argv[1:3]
    if task == "golden":
        print("[\n" + ",\n".join(golden(make_oracle(vocabulary))) + "\n]")
    else:
        compare(vocabulary, sys.argv[3], sys.argv[4])


if __name__ == "__main__":
    main()
