"""Reports: one self-contained HTML page per run and per study, and an index of them, made from files only."""

from sciml.core.verbs import make_verb
from sciml.report._claims import ClaimRow as ClaimRow
from sciml.report._claims import claims_markdown as claims_markdown
from sciml.report._claims import claims_of as claims_of
from sciml.report._headline import headline as headline
from sciml.report._index import write_index as write_index
from sciml.report._model_card import model_card as model_card
from sciml.report._quoted import Quoted as Quoted
from sciml.report._quoted import stray_figures as stray_figures
from sciml.report._run import read_run as read_run
from sciml.report._run_page import write_run as write_run
from sciml.report._statistics import Verdict as Verdict
from sciml.report._statistics import judge as judge
from sciml.report._statistics import judge_together as judge_together
from sciml.report._statistics import mean_of as mean_of
from sciml.report._study_page import study_numbers as study_numbers
from sciml.report._study_page import write_study as write_study

__all__ = [
    "ClaimRow",
    "Quoted",
    "Verdict",
    "claims_markdown",
    "claims_of",
    "headline",
    "judge",
    "judge_together",
    "mean_of",
    "model_card",
    "read_run",
    "stray_figures",
    "study_numbers",
    "write_index",
    "write_run",
    "write_study",
]

make_verb(__name__)
