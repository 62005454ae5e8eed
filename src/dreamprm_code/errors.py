"""The one exception family for mistakes that the user can mend."""


class UserError(ValueError):
    """Bad input or a setting that cannot work; the message says what and where it is and what to do about it.

    Stages print it as one line and exit with status 2. Everything else is a defect of ours and keeps its traceback.
    """
