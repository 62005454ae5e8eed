"""From problem and program prefixes to token ids, without ever cutting code.

Native texts are tokenised piece by piece, from step token to step token. A special token is a boundary for every
tokenizer, so the ids of a prefix are exactly the first ids of the whole program's text, and exactly what the tokenizer
gives for the text as a whole. Text that looks like a special token (a program that prints one, say) stays ordinary
text: it cannot forge a step.

A text longer than ``max_length`` loses the middle of its problem statement: as many tokens as fit are kept, half of
them (rounded up) from its head and half from its tail, with :data:`OMITTED` between. All prefixes of a program get the
statement that lets the whole program fit, so that they still are prefixes of one another. Each shortened statement is
counted; code that does not fit even without a statement is an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from dreamprm_code.errors import UserError
from dreamprm_code.prm.input_text import check_template, fill, in_language, load_template, program_prefixes, step_pieces
from dreamprm_code.prm.trees import StepTokens
from dreamprm_code.records import Problem

OMITTED = "\n[... part of the problem statement is left out here ...]\n"

# Reserved tokens of the usual tokenizers that code and prose do not contain, in order of preference.
_STEP_TOKENS = ("<|quad_end|>", "<|object_ref_end|>", "<|reserved_special_token_0|>", "<jupyter_output>", "<file_sep>")


class EncodingError(UserError):
    """A text that cannot be encoded as asked; the message says which and what to do."""


def choose_step_token(tokenizer: PreTrainedTokenizerBase) -> str:
    """A special token to end a step with: reserved, and neither padding nor a boundary of texts.

    Raises:
        EncodingError: the tokenizer has none.
    """
    taken = {tokenizer.pad_token, tokenizer.eos_token, tokenizer.bos_token, tokenizer.unk_token, "<|im_start|>", "<|im_end|>"}
    special = [token.content for _, token in sorted(tokenizer.added_tokens_decoder.items()) if token.special]
    free = [token for token in (*_STEP_TOKENS, *special) if token in special and token not in taken]
    if not free:
        raise EncodingError("the tokenizer has no reserved special token to end a step with; add one or name it (step_token)")
    return free[0]


class StepEncoder:
    """Token ids of step prefixes. ``counts`` holds the texts encoded and the statements shortened."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        format: str = "native",
        max_length: int | None = None,
        step_token: str | None = None,
        template: str | None = None,
    ):
        """``max_length`` in tokens, None for no bound; ``template`` is a checkpoint's, by default the one in ``prompts/``."""
        self.tokenizer = tokenizer
        self.format = format
        self.max_length = max_length
        self.template = (
            load_template(format) if template is None else check_template(template, format, "the checkpoint's template")
        )
        self.counts: Counter[str] = Counter(programs=0, statements_shortened=0)
        self.step_token: str | None = None
        self.step_token_id: int | None = None
        if format == "native":
            self.step_token = step_token or choose_step_token(tokenizer)
            known = {token.content: index for index, token in tokenizer.added_tokens_decoder.items() if token.special}
            if self.step_token not in known or self.step_token in (tokenizer.pad_token, tokenizer.eos_token):
                raise EncodingError(
                    f"step token {self.step_token!r} must be a special token of the tokenizer, not padding or end"
                )
            self.step_token_id = known[self.step_token]
        begin = tokenizer("").input_ids
        self.begin = [token for token in begin if token == tokenizer.bos_token_id][:1]

    def encode(self, problem: Problem, prefix: str, earlier: Sequence[str] | None = None) -> StepTokens:
        """Ids of the text whose last token's score is that of ``prefix``; ``earlier`` are the shorter prefixes of its program,
        after each of which the native text has a step token."""
        if earlier is None:
            earlier = [step for step in program_prefixes(prefix) if step != prefix]
        return self.encode_prefixes(problem, [*earlier, prefix])[-1]

    def encode_program(
        self, problem: Problem, code: str, max_functions: int = 10, granularity: str = "function", language: str = "python"
    ) -> list[StepTokens]:
        """The ids up to each step of a program."""
        prefixes = program_prefixes(code, max_functions, granularity, language)
        return self.encode_prefixes(in_language(problem, language), prefixes)

    def encode_prefixes(self, problem: Problem, prefixes: Sequence[str]) -> list[StepTokens]:
        """The ids of each prefix of one program, with the places of program and step in them.

        Raises:
            EncodingError: the longest prefix does not fit into ``max_length`` even without the problem statement.
            ValueError: the prefixes do not grow.
        """
        pieces = step_pieces(prefixes)
        self.counts["programs"] += 1
        sequences = self._encode(problem, prefixes, pieces, None)
        if self.max_length is None or len(sequences[-1]) <= self.max_length:
            return sequences
        self.counts["statements_shortened"] += 1
        return self._encode_shortened(problem, prefixes, pieces)

    def _encode(
        self, problem: Problem, prefixes: Sequence[str], pieces: Sequence[str], statement: str | None
    ) -> list[StepTokens]:
        code_start = len(fill(self.template[: self.template.index("{code}")], problem, "", statement))
        if self.format == "released":
            sequences = []
            step_start = 0  # characters of the program before the step
            for prefix, (ids, spans) in zip(
                prefixes, self._tokens([fill(self.template, problem, text, statement) for text in prefixes]), strict=True
            ):
                code, step = (self._first(spans, code_start + offset) for offset in (0, step_start))
                stop = sum(start < code_start + len(prefix) for start, _ in spans)
                shift = len(self.begin)
                sequences.append(StepTokens(self.begin + ids, (shift + code, shift + step, shift + max(stop, step))))
                step_start = len(prefix)
            return sequences
        sequences = []
        before = list(self.begin)
        code = -1
        for ids, spans in self._tokens([fill(self.template, problem, pieces[0], statement), *pieces[1:]]):
            step = len(before)
            if not sequences:
                code = step = step + self._first(spans, code_start)
            before = [*before, *ids, self.step_token_id]
            sequences.append(StepTokens(before, (code, step, len(before) - 1), self.step_token_id))
        return sequences

    def _tokens(self, texts: list[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """Ids of each text and the characters, from and to, of each."""
        # A lone surrogate (a broken escape in a model's answer) has no UTF-8 form; the tokenizer reads "?" in its place.
        texts = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        found = self.tokenizer(
            texts, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True, verbose=False
        )
        return list(zip(found.input_ids, found.offset_mapping, strict=True))

    @staticmethod
    def _first(spans: Sequence[tuple[int, int]], character: int) -> int:
        """The first token that reaches beyond a character: one that spans the place belongs to what follows it."""
        return next((index for index, (_, stop) in enumerate(spans) if stop > character), len(spans))

    def _encode_shortened(self, problem: Problem, prefixes: Sequence[str], pieces: Sequence[str]) -> list[StepTokens]:
        assert self.max_length is not None
        statement = problem.question_content
        spans = self.tokenizer(
            statement, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True, verbose=False
        ).offset_mapping
        empty = self._encode(problem, prefixes, pieces, OMITTED)
        keep = min(self.max_length - len(empty[-1]), len(spans) - 1)
        while keep >= 0:
            head = statement[: spans[-(-keep // 2) - 1][1]] if keep else ""
            tail = statement[spans[len(spans) - keep // 2][0] :] if keep >= 2 else ""
            sequences = self._encode(problem, prefixes, pieces, head + OMITTED + tail)
            excess = len(sequences[-1]) - self.max_length
            if excess <= 0:
                return sequences
            keep = -1 if keep == 0 else max(0, keep - excess)  # tokens may part differently at the new edges
        raise EncodingError(
            f"problem {problem.question_id}: a program of {len(empty[-1])} tokens without problem statement exceeds "
            f"max_length {self.max_length}; code is never cut: raise max_length or leave the program out"
        )
