"""Differentially private training, with a certificate that can be derived again from the saved model."""

from sciml.tools.privacy._accounting import FRACTIONS as FRACTIONS
from sciml.tools.privacy._accounting import ORDERS as ORDERS
from sciml.tools.privacy._accounting import exact_epsilon as exact_epsilon
from sciml.tools.privacy._accounting import log_moment as log_moment
from sciml.tools.privacy._accounting import log_moments as log_moments
from sciml.tools.privacy._accounting import pld_epsilon as pld_epsilon
from sciml.tools.privacy._accounting import rdp_epsilon as rdp_epsilon
from sciml.tools.privacy._certificate import certify as certify
from sciml.tools.privacy._config import PrivacyConfig as PrivacyConfig
from sciml.tools.privacy._mechanism import Mechanism as Mechanism
from sciml.tools.privacy._mechanism import PrivateSampler as PrivateSampler
from sciml.tools.privacy._mechanism import calibrated as calibrated
from sciml.tools.privacy._rule import PrivateRule as PrivateRule
from sciml.tools.privacy._rule import sample_gradients as sample_gradients
from sciml.tools.privacy._tool import PrivacyPolicy as PrivacyPolicy
from sciml.tools.privacy._tool import refuse_coupled as refuse_coupled
from sciml.tools.privacy._verify import CertificateProbe as CertificateProbe
from sciml.tools.privacy._verify import verify as verify

TOOLS = (PrivacyPolicy(), CertificateProbe())

__all__ = [
    "FRACTIONS",
    "ORDERS",
    "TOOLS",
    "CertificateProbe",
    "Mechanism",
    "PrivacyConfig",
    "PrivacyPolicy",
    "PrivateRule",
    "PrivateSampler",
    "calibrated",
    "certify",
    "exact_epsilon",
    "log_moment",
    "log_moments",
    "pld_epsilon",
    "rdp_epsilon",
    "refuse_coupled",
    "sample_gradients",
    "verify",
]
