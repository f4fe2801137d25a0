"""Training of every part of the model.

One loop (:mod:`.loop`), one :class:`.task.Task` for each part, one YAML file for each run.
"""
