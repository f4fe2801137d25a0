"""Training of every part of the model: one loop (:mod:`.loop`), one :class:`.task.Task` a part, one YAML a run."""
