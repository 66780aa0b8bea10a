"""Notices: what a person should hear of, told to receivers that may be broken or slow."""

from trustd.notify.alertmanager import Alertmanager
from trustd.notify.channel import Channel, Declined, NotifyError
from trustd.notify.command import Command
from trustd.notify.dispatcher import Dispatcher, Ledger
from trustd.notify.http import Credential, Endpoint
from trustd.notify.journald import Journald
from trustd.notify.receiver import Receiver, ReceiverState
from trustd.notify.webhook import Webhook

__all__ = [
    "Alertmanager",
    "Channel",
    "Command",
    "Credential",
    "Declined",
    "Dispatcher",
    "Endpoint",
    "Journald",
    "Ledger",
    "NotifyError",
    "Receiver",
    "ReceiverState",
    "Webhook",
]
