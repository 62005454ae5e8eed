"""To be written."""


def run(style, func_name):
    return 1
