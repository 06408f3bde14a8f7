from octavo.analysis.store import RouteTrace as RouteTrace
from octavo.api.llm import LLM as LLM
from octavo.api.outputs import CompletionDelta as CompletionDelta
from octavo.api.outputs import CompletionOutput as CompletionOutput
from octavo.api.outputs import Logprob as Logprob
from octavo.api.outputs import RequestOutput as RequestOutput
from octavo.api.outputs import ScoreOutput as ScoreOutput
from octavo.batch import Batch as Batch
from octavo.cache import KVCache as KVCache
from octavo.config import ModelConfig as ModelConfig
from octavo.engine.config import EngineConfig as EngineConfig
from octavo.engine.params import SamplingParams as SamplingParams
from octavo.errors import CheckpointError as CheckpointError
from octavo.errors import ConfigError as ConfigError
from octavo.errors import CorpusError as CorpusError
from octavo.errors import OctavoError as OctavoError
from octavo.errors import OverCapacity as OverCapacity
from octavo.errors import RequestError as RequestError
from octavo.errors import TokenizerError as TokenizerError
from octavo.errors import TraceError as TraceError
from octavo.model import Output as Output
from octavo.model import Transformer as Transformer
from octavo.routing import Routing as Routing
from octavo.routing import route as route
from octavo.tokenizer import Tokenizer as Tokenizer

__all__: list[str]
__version__: str
