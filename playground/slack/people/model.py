"""The simulated workspace as tests and the demo hold it."""

from vpsops.playground.slack.people.modal_actions import ModalPeople


class SimulatedWorkspace(ModalPeople):
    """One running workspace: people who act (`command`, `click`, `submit_view`), what they see, and the app's calls.

    `vpsops.playground.slack.serve.running_workspace` makes a workspace.
    """
