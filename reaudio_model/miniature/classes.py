"""The sound classes of the miniature.

AudioSet display name, wordings for captions, synthesiser and number of training clips of each.

``CLASSES`` is sorted by number of training clips. Similar sounds have different frequencies on purpose, so that rare sounds have
frequent neighbours: dog and howl, rain, applause and frying, engine, helicopter and jackhammer, pigeon and owl, typing and tick-tock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from reaudio_model.miniature import animals, machines, people, things
from reaudio_model.miniature.synthesis import Synthesiser

Regime = Literal["train", "pool only", "neither"]

MOST_CLIPS = 1_100  # training clips of the most frequent class
# Zipf-Mandelbrot: count = MOST_CLIPS * ((1 + FLATTENING) / (rank + FLATTENING)) ** EXPONENT. AudioCaps has this shape at 17 times the size:
# its first label on 42 % of the clips, a third of the labels in the lowest decade that occurs.
FLATTENING = 4.0
EXPONENT = 2.6


class Wording(NamedTuple):
    """One way to name an event: subject, finite verb phrase, participle phrase ("a dog", "barks", "barking")."""

    subject: str
    verb: str
    participle: str

    @property
    def clause(self) -> str:
        return f"{self.subject} {self.verb}"

    @property
    def phrase(self) -> str:
        return f"{self.subject} {self.participle}"


@dataclass(frozen=True)
class SoundClass:
    """A kind of sound.

    Attributes:
        label: identifier, lower case with underscores.
        name: AudioSet display name.
        wordings: at least two, none shared by two classes.
        synthesiser: (rng, n) -> float64 (n,) at 16 kHz, of any level.
        n_train: clips of the train split with the label; 0 for a class without training clips.
        regime: whether the class is in the train split, only in the retrieval pool, or in neither.
    """

    label: str
    name: str
    wordings: tuple[Wording, ...]
    synthesiser: Synthesiser
    n_train: int
    regime: Regime


_Row = tuple[str, str, Synthesiser, str]

_TRAINED: tuple[_Row, ...] = (
    (
        "man",
        "Male speech, man speaking",
        people.man_speaking,
        "a man|speaks|speaking, a male voice|talks|talking, a man|gives a speech|giving a speech",
    ),
    (
        "woman",
        "Female speech, woman speaking",
        people.woman_speaking,
        "a woman|speaks|speaking, a female voice|talks|talking, a lady|chats|chatting",
    ),
    ("engine", "Engine", machines.engine, "an engine|runs|running, a motor|idles|idling, an engine|rumbles|rumbling"),
    ("bird", "Bird", animals.bird, "a bird|chirps|chirping, birds|sing|singing, a small bird|tweets|tweeting"),
    ("dog", "Dog", animals.dog, "a dog|barks|barking, a puppy|yaps|yapping, a dog|woofs|woofing"),
    ("rain", "Rain", things.rain, "rain|falls|falling, rain|pours|pouring down, raindrops|patter|pattering"),
    ("wind", "Wind", things.wind, "wind|blows|blowing, a strong wind|howls|howling, the wind|gusts|gusting"),
    (
        "siren",
        "Siren",
        machines.siren,
        "a siren|wails|wailing, an ambulance siren|sounds|sounding, a police car siren|blares|blaring",
    ),
    (
        "footsteps",
        "Walk, footsteps",
        things.footsteps,
        "someone|walks|walking, footsteps|approach|approaching, a person|takes steps|taking steps",
    ),
    (
        "aircraft",
        "Aircraft",
        machines.aircraft,
        "an aircraft|flies over|flying over, a jet|roars|roaring, an airplane|passes overhead|passing overhead",
    ),
    (
        "car_passing",
        "Car passing by",
        machines.car_passing,
        "a car|passes by|passing by, a vehicle|drives past|driving past, traffic|rushes by|rushing by",
    ),
    (
        "baby_cry",
        "Baby cry, infant cry",
        people.baby_cry,
        "a baby|cries|crying, an infant|wails|wailing, a baby|screams|screaming",
    ),
    ("laughter", "Laughter", people.laughter, "a person|laughs|laughing, someone|giggles|giggling, people|laugh|laughing"),
    (
        "typing",
        "Typing",
        machines.typing,
        "someone|types|typing, a keyboard|clatters|clattering, fingers|type on a keyboard|typing on a keyboard",
    ),
    (
        "ocean",
        "Waves, surf",
        things.ocean,
        "waves|crash|crashing, the surf|rolls in|rolling in, ocean waves|wash ashore|washing ashore",
    ),
    (
        "car_horn",
        "Vehicle horn, car horn, honking",
        machines.car_horn,
        "a car horn|honks|honking, a car|beeps its horn|beeping its horn",
    ),
    (
        "applause",
        "Applause",
        things.applause,
        "an audience|applauds|applauding, people|clap|clapping, a crowd|claps|clapping",
    ),
    ("frog", "Frog", animals.frog, "a frog|croaks|croaking, frogs|croak|croaking, a toad|calls|calling"),
    (
        "train_horn",
        "Train horn",
        machines.train_horn,
        "a train horn|blows|blowing, a train|sounds its horn|sounding its horn",
    ),
    ("bell", "Church bell", things.church_bell, "a church bell|tolls|tolling, a large bell|rings|ringing"),
    ("snoring", "Snoring", people.snoring, "a person|snores|snoring, a sleeper|snores|snoring"),
    ("stream", "Stream", things.stream, "a stream|flows|flowing, water|gurgles|gurgling, a brook|babbles|babbling"),
    ("drill", "Drill", machines.drill, "a drill|whirs|whirring, a power drill|drills|drilling"),
    ("meow", "Meow", animals.meow, "a cat|meows|meowing, a kitten|mews|mewing"),
    ("thunder", "Thunder", things.thunder, "thunder|rumbles|rumbling, thunder|cracks|cracking"),
    (
        "frying",
        "Frying (food)",
        things.frying,
        "food|fries|frying, oil|sizzles|sizzling, meat|sizzles in a pan|sizzling in a pan",
    ),
    ("helicopter", "Helicopter", machines.helicopter, "a helicopter|flies|flying, a chopper|hovers|hovering"),
    ("cricket", "Cricket", animals.cricket, "a cricket|chirps|chirping, crickets|chirp|chirping"),
    (
        "knock",
        "Knock",
        things.knock,
        "someone|knocks on a door|knocking on a door, a person|knocks on wood|knocking on wood",
    ),
    ("motorcycle", "Motorcycle", machines.motorcycle, "a motorcycle|revs|revving, a motorbike|accelerates|accelerating"),
    ("tick_tock", "Tick-tock", machines.tick_tock, "a clock|ticks|ticking, a watch|ticks|ticking"),
    ("moo", "Moo", animals.moo, "a cow|moos|mooing, a cow|lows|lowing"),
    ("gunshot", "Gunshot, gunfire", things.gunshot, "a gun|fires|firing, gunshots|ring out|ringing out"),
    ("whistling", "Whistling", people.whistling, "a person|whistles|whistling, someone|whistles a tune|whistling a tune"),
    ("pigeon", "Pigeon, dove", animals.pigeon, "a pigeon|coos|cooing, a dove|coos|cooing"),
    ("vacuum", "Vacuum cleaner", machines.vacuum_cleaner, "a vacuum cleaner|hums|humming, a vacuum|runs|running"),
    (
        "beeps",
        "Reversing beeps",
        machines.reversing_beeps,
        "a truck|beeps in reverse|beeping in reverse, reversing beeps|sound|sounding",
    ),
    ("glass", "Glass", things.glass, "glass|clinks|clinking, glass|breaks|breaking, glasses|shatter|shattering"),
    ("sheep", "Sheep", animals.sheep, "a sheep|bleats|bleating, a lamb|bleats|bleating"),
    ("bee", "Bee, wasp, etc.", animals.bee, "a bee|buzzes|buzzing, bees|buzz|buzzing"),
    ("drip", "Drip", things.drip, "water|drips|dripping, a tap|drips|dripping"),
    ("chainsaw", "Chainsaw", machines.chainsaw, "a chainsaw|cuts|cutting, a chainsaw|snarls|snarling"),
    ("fire", "Crackle", things.fire, "a fire|crackles|crackling, a campfire|burns|burning"),
    ("cough", "Cough", people.cough, "a person|coughs|coughing, someone|coughs|coughing"),
    ("rooster", "Crowing, cock-a-doodle-doo", animals.rooster, "a rooster|crows|crowing, a cock|crows|crowing"),
    ("hammer", "Hammer", things.hammer, "a hammer|strikes|striking, someone|hammers a nail|hammering a nail"),
    ("duck", "Duck", animals.duck, "a duck|quacks|quacking, ducks|quack|quacking"),
    ("wind_chime", "Wind chime", things.wind_chime, "wind chimes|tinkle|tinkling, a wind chime|rings|ringing"),
    ("steam", "Steam", things.steam, "steam|hisses|hissing, a valve|hisses|hissing"),
    ("growling", "Growling", animals.growling, "a dog|growls|growling, a beast|snarls|snarling"),
    ("sawing", "Sawing", machines.sawing, "someone|saws wood|sawing wood, a handsaw|cuts|cutting"),
    ("fireworks", "Fireworks", things.fireworks, "fireworks|explode|exploding, a firework|bursts|bursting"),
    ("mosquito", "Mosquito", animals.mosquito, "a mosquito|whines|whining, a mosquito|buzzes|buzzing"),
)
_POOL_ONLY: tuple[_Row, ...] = (
    ("howl", "Howl", animals.howl, "a wolf|howls|howling, a dog|howls|howling"),
    ("owl", "Owl", animals.owl, "an owl|hoots|hooting, an owl|calls|calling"),
    ("oink", "Oink", animals.oink, "a pig|oinks|oinking, a pig|grunts|grunting"),
    ("purr", "Purr", animals.purr, "a cat|purrs|purring, a kitten|purrs|purring"),
    (
        "telephone",
        "Telephone bell ringing",
        machines.telephone_bell,
        "a telephone|rings|ringing, a phone bell|rings|ringing",
    ),
    (
        "sewing_machine",
        "Sewing machine",
        machines.sewing_machine,
        "a sewing machine|stitches|stitching, a sewing machine|rattles|rattling",
    ),
    (
        "jackhammer",
        "Jackhammer",
        machines.jackhammer,
        "a jackhammer|pounds|pounding, a jackhammer|breaks concrete|breaking concrete",
    ),
    ("gong", "Gong", things.gong, "a gong|resounds|resounding, a gong|is struck|being struck"),
)
_NEITHER: tuple[_Row, ...] = (
    ("crow", "Crow", animals.crow, "a crow|caws|cawing, a raven|croaks|croaking"),
    ("clip_clop", "Clip-clop", things.clip_clop, "a horse|trots|trotting, hooves|clatter|clattering"),
    ("alarm_clock", "Alarm clock", machines.alarm_clock, "an alarm clock|beeps|beeping, an alarm|goes off|going off"),
    ("whale", "Whale vocalization", animals.whale, "a whale|sings|singing, a whale|moans|moaning"),
)


def _make(row: _Row, n_train: int, regime: Regime) -> SoundClass:
    label, name, synthesiser, text = row
    wordings = tuple(Wording(*(part.strip() for part in wording.split("|"))) for wording in text.split(","))
    return SoundClass(label, name, wordings, synthesiser, n_train, regime)


def _count(rank: int) -> int:
    return int(0.5 + MOST_CLIPS * ((1 + FLATTENING) / (rank + FLATTENING)) ** EXPONENT)


CLASSES: tuple[SoundClass, ...] = (
    *(_make(row, _count(rank), "train") for rank, row in enumerate(_TRAINED, start=1)),
    *(_make(row, 0, "pool only") for row in _POOL_ONLY),
    *(_make(row, 0, "neither") for row in _NEITHER),
)
BY_LABEL = {sound.label: sound for sound in CLASSES}
