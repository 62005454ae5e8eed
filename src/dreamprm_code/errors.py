"""How a stage ends that did not do all it was asked: a mistake that the user can mend, or work that is left over."""


class UserError(ValueError):
    """Bad input or a setting that cannot work; the message says what and where it is and what to do about it.

    Stages print it as one line and exit with status 2. Everything else is a defect of ours and keeps its traceback.
    """


class Unfinished(Exception):
    """Rows are missing because requests failed or the budget is spent; what is done is kept, and the message names the remedy.

    Stages print it as one line and exit with status 3, so that a script can tell it from success and from a mistake.
    """
