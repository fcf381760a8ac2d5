"""What the routes of question sets ask for."""

from typing import Annotated

from l2p.question_sets.reader import FileReader
from webcommon.app.state import component

FileReaderDep = Annotated[FileReader, component(FileReader)]
"""Reads imported files."""
