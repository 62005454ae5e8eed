"""The packages of the wheel; all else stands in pyproject.toml, which cannot name a folder outside src/ as package data."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages("src", include=["dreamprm_code*"]), "dreamprm_code.prompt_files"],
    package_dir={"": "src", "dreamprm_code.prompt_files": "prompts"},
    package_data={
        "dreamprm_code": ["py.typed"],
        "dreamprm_code.grading": ["drivers/*"],
        "dreamprm_code.prm": ["cards/*"],
        "dreamprm_code.prompt_files": ["*"],
        "dreamprm_code.report": ["templates/*"],
    },
)
