"""From requests to graded rows in a file: what the three sampling stages have in common."""

from dreamprm_code.sampling.file import (
    FailedRequest,
    Sampled,
    SampledFile,
    Sampler,
    estimate,
    program_digest,
    run_bounded,
    run_sampling,
    solution_row,
)

__all__ = [
    "FailedRequest",
    "Sampled",
    "SampledFile",
    "Sampler",
    "estimate",
    "program_digest",
    "run_bounded",
    "run_sampling",
    "solution_row",
]
