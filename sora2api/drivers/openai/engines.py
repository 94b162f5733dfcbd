"""The kinds of engine that can be connected by the openai driver, as one chooses them by name."""

from typing import Final

from sora2api.drivers import EngineKind


def _kind(name: str, title: str, about: str, base_url: str, *, token: bool = False) -> EngineKind:
    return EngineKind(name=name, title=title, about=about, base_url=base_url, token=token, settings={"dialect": name})


ENGINES: Final = (
    _kind("vllm-omni", "vLLM-Omni", "Serves open image and video models on your own GPUs.", "http://10.0.0.5:8091/v1"),
    _kind("sglang", "SGLang Diffusion", "Serves diffusion models on your own GPUs.", "http://10.0.0.5:30000/v1"),
    _kind("fastvideo", "FastVideo", "Makes videos in few steps on your own GPUs.", "http://10.0.0.5:8000/v1"),
    _kind("tensorrt-llm", "TensorRT-LLM", "NVIDIA's server, with visual_gen.", "http://10.0.0.5:8000/v1"),
    _kind("dynamo", "NVIDIA Dynamo", "NVIDIA's router before several engines.", "http://10.0.0.5:8000/v1"),
    _kind("litellm", "LiteLLM", "A gateway to many providers.", "http://10.0.0.5:4000/v1", token=True),
    _kind("new-api", "new-api", "A gateway with channels and quotas.", "http://10.0.0.5:3000/v1", token=True),
    _kind("openai", "OpenAI", "OpenAI's image models.", "https://api.openai.com/v1", token=True),
    _kind(
        "azure",
        "Azure OpenAI",
        "The models that you have deployed in Azure.",
        "https://NAME.openai.azure.com/openai/v1",
        token=True,
    ),
    _kind(
        "sandbox", "sora2api sandbox", "A sandbox server of your own: real files, no GPU.", "http://127.0.0.1:8100/v1"
    ),
    _kind(
        "auto", "Another server", "Whatever speaks the OpenAI shape: it is asked what it is.", "http://10.0.0.5:8000/v1"
    ),
)
