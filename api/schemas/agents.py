"""Voice agents as clients write and read them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from api.schemas.base import Document, Metadata, Name, Owned, Patch

Architecture = Literal["pipeline", "realtime", "text"]
Visibility = Literal["private", "public", "commercial"]
Language = Annotated[
    str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35, description="BCP 47", examples=["en-US"])
]
Text = Annotated[str, Field(max_length=100_000)]
Short = Annotated[str, Field(min_length=1, max_length=200)]
CallSeconds = Annotated[int, Field(ge=10, le=14_400)]


class Llm(Document):
    """The language model."""

    provider: Short | None = None
    model: Short | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class Stt(Document):
    """Speech to text."""

    provider: Short | None = None


class Tts(Document):
    """Text to speech."""

    provider: Short | None = None
    voice_id: Short | None = None


class Realtime(Document):
    """A model that hears and speaks itself."""

    provider: Short | None = None


class AgentFields(Document):
    """What may be left out."""

    architecture: Architecture = "pipeline"
    active: bool = True
    visibility: Visibility = "private"
    system_prompt: Text = Field(default="", description="For the model. Kept as it is: no places are filled in.")
    first_message: Text = Field(
        default="", description="Spoken first; {{variable}} places are filled in.", examples=["Hi {{name}}, it's Ada."]
    )
    language: Language = "en-US"
    llm: Llm = Llm()
    stt: Stt = Stt()
    tts: Tts = Tts()
    realtime: Realtime = Realtime()
    tools: Annotated[list[Any], Field(max_length=100)] = Field(default_factory=list[Any])
    max_call_s: CallSeconds = 300
    metadata: Metadata = Field(default_factory=dict[str, Any])


class AgentIn(AgentFields):
    """A voice agent."""

    name: Name = Field(examples=["Ada"])


class AgentPatch(AgentFields, Patch):
    """Changes to a voice agent; what is left out stays."""

    name: Name = ""


class AgentOut(Owned):
    """A voice agent."""

    number: int
    name: str
    architecture: Architecture
    active: bool
    visibility: Visibility
    system_prompt: str
    first_message: str
    language: str
    llm: dict[str, Any]
    stt: dict[str, Any]
    tts: dict[str, Any]
    realtime: dict[str, Any]
    tools: list[Any]
    max_call_s: int
    archived_at: datetime | None
