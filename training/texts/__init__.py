"""Scope: the texts that the built-in test model is trained on.

Collects the topics of this package. All texts were written for this model;
no data set is read.
"""

from .about_itself import TOPICS as ABOUT_ITSELF
from .hardware import TOPICS as HARDWARE
from .language_models import TOPICS as LANGUAGE_MODELS
from .numbers_and_tools import TOPICS as NUMBERS_AND_TOOLS
from .off_topic import OFF_TOPIC_ANSWER

TOPICS = (*ABOUT_ITSELF, *HARDWARE, *NUMBERS_AND_TOOLS, *LANGUAGE_MODELS)

__all__ = ["OFF_TOPIC_ANSWER", "TOPICS"]
