"""Scope: topics about number formats, quantisation, file formats and run-time tools."""

from .topic import Topic

TOPICS = (
    Topic(
        "quantisation",
        "Quantisation stores the weights of a model with fewer bits, for example 4 or 8 instead of 16. Each group of weights "
        "is written as small integers plus a scale that turns them back into real numbers. The model becomes several "
        "times smaller and faster, at the price of a small loss of accuracy.",
        (
            "What is quantisation?", "What is quantization?", "Why are models quantised?", "Why quantize a model?", "How does quantisation work?",
            "What does quantised mean?", "What is a quantised model?", "Why do we need quantisation?", "What does it mean to quantize a model?",
            "How are weights quantised?", "How is a model made smaller?", "What is model compression?", "What are quantized weights?",
        ),
        ("quantisation", "quantization", "a quantised model", "weight quantization", "model quantisation"),
    ),
    Topic(
        "int4",
        "int4 means that each weight is stored as a 4-bit integer, one of 16 values from -8 to 7, together with a scale for "
        "each group of weights. An int4 model is about a quarter of the size of an fp16 model, which also makes it read "
        "faster, and it usually loses only a little accuracy.",
        (
            "What is int4?", "What does int4 mean?", "What are 4-bit weights?", "What is 4-bit quantisation?", "Why use int4?",
            "How small is an int4 model?", "Is int4 good enough?", "How many values does int4 have?", "What is a 4-bit model?",
            "What is Q4?", "Should I use int4?",
        ),
        ("int4", "INT4", "int4 weights", "int4 quantisation", "4-bit quantization", "4-bit weights"),
    ),
    Topic(
        "int8",
        "int8 means that each weight is stored as an 8-bit integer from -128 to 127 with a scale. An int8 model is half the "
        "size of an fp16 model and nearly as accurate, and most NPUs and CPUs have fast instructions for it.",
        (
            "What is int8?", "What does int8 mean?", "What are 8-bit weights?", "What is 8-bit quantisation?", "Why use int8?",
            "How small is an int8 model?", "How many values does int8 have?", "What is an 8-bit model?", "Should I use int8?", "What is Q8?",
        ),
        ("int8", "INT8", "int8 weights", "int8 quantisation", "8-bit quantization", "8-bit weights"),
    ),
    Topic(
        "int4_or_int8",
        "Between int4 and int8, int4 is half as large and usually generates text faster, while int8 is more accurate. For "
        "language models of a few billion parameters, int4 in small groups is the usual choice on a PC; take int8 when "
        "memory is plentiful and every bit of quality counts.",
        (
            "What is the difference between int4 and int8?", "int4 vs int8", "int4 or int8?", "Should I use int4 or int8?",
            "Is int4 faster than int8?", "Which is better, int4 or int8?", "Compare int4 and int8.", "Is int8 more accurate than int4?",
            "4-bit or 8-bit?", "How do int4 and int8 differ?", "int8 vs int4", "Which quantisation should I choose?",
            "4-bit vs 8-bit quantization", "Which precision should I use?",
        ),
    ),
    Topic(
        "fp16",
        "fp16 is a floating-point number of 16 bits, also called half precision: 1 sign bit, 5 exponent bits and 10 fraction "
        "bits. Weights in fp16 take 2 bytes each, half as much as fp32, and the largest number it can hold is 65504.",
        (
            "What is fp16?", "What does fp16 mean?", "What is half precision?", "What is float16?", "Why use fp16?",
            "How many bits does fp16 have?", "How many bytes is an fp16 weight?", "What is the largest fp16 number?",
        ),
        ("fp16", "FP16", "float16", "half precision"),
    ),
    Topic(
        "bf16",
        "bf16, or bfloat16, is a floating-point number of 16 bits that keeps the 8 exponent bits of fp32 and has only 7 "
        "fraction bits. It covers the same range as fp32 with less precision, which is why many models are trained in it.",
        (
            "What is bf16?", "What is bfloat16?", "What does bf16 mean?", "bf16 vs fp16", "What is the difference between bf16 and fp16?",
            "Why are models trained in bf16?", "How many bits does bf16 have?",
        ),
        ("bf16", "BF16", "bfloat16"),
    ),
    Topic(
        "fp32",
        "fp32 is a floating-point number of 32 bits, also called single precision: 1 sign bit, 8 exponent bits and 23 "
        "fraction bits. It is very exact, but each weight takes 4 bytes, so models are rarely stored in it for use.",
        (
            "What is fp32?", "What does fp32 mean?", "What is single precision?", "What is float32?", "How many bits does fp32 have?",
            "fp32 vs fp16", "What is the difference between fp32 and fp16?",
        ),
        ("fp32", "FP32", "float32", "single precision"),
    ),
    Topic(
        "group_size",
        "The group size, or block size, is how many neighbouring weights share one scale in a quantised model. Small groups "
        "such as 32 follow the weights more closely but need more scales; large groups such as 128, or one scale per row, "
        "save memory and lose some accuracy.",
        (
            "What is the group size in quantisation?", "What is a group size?", "What is the block size?", "What group size should I use?",
            "What does group size 32 mean?", "What does group size 128 mean?", "Group size 32 or 128?", "Why are weights quantised in groups?",
            "What does block size 32 mean?", "What is per-channel quantisation?", "What is block-wise quantisation?", "What is a quantisation scale?",
            "Is a smaller group size better?", "How large should a quantisation group be?",
        ),
        ("the group size", "group size", "the block size", "block-wise quantization", "per-channel quantization"),
    ),
    Topic(
        "quantisation_loss",
        "Quantisation costs a little quality. With 8 bits the difference is hardly noticeable; with 4 bits in small groups "
        "answers stay close to the original; with 3 or 2 bits they get clearly worse. Large models usually suffer "
        "less from it than small ones.",
        (
            "Does quantisation hurt quality?", "Does quantization reduce accuracy?", "How much accuracy does quantisation cost?",
            "Is a quantised model worse?", "Are quantized models less accurate?", "What do I lose with quantisation?", "Does int4 hurt quality?",
            "Does int4 make the model worse?", "How much quality does int4 lose?", "Is quantisation lossless?",
            "Does quantization make a model stupid?", "What is the downside of quantisation?", "How many bits are enough?",
        ),
    ),
    Topic(
        "quantisation_aware_training",
        "Quantisation-aware training rounds the weights to their few bits during training, while the optimiser keeps "
        "adjusting the exact values behind them. The model learns to work with rounded weights. I was trained this way in "
        "my last part of training, so that my answers survive int4.",
        (
            "What is quantisation-aware training?", "What is quantization-aware training?", "What is QAT?", "How does QAT work?",
            "Why train with quantised weights?", "How do your answers survive int4?", "Were you trained with quantisation?",
            "What does QAT stand for?", "Can a model be trained for quantisation?",
        ),
        ("quantisation-aware training", "quantization-aware training", "QAT"),
    ),
    Topic(
        "gguf",
        "GGUF is the file format of the llama.cpp project. One file holds the weights, usually quantised, together with the "
        "tokenizer and the settings of the model, so that a program needs nothing else to run it.",
        (
            "What is GGUF?", "What is a GGUF file?", "What does a GGUF file contain?", "Who uses GGUF?", "What is the GGUF format?",
            "What is llama.cpp?", "What is llama.cpp for?", "Which format does llama.cpp use?",
        ),
        ("GGUF", "a GGUF file", "the GGUF format", "llama.cpp"),
    ),
    Topic(
        "safetensors",
        "safetensors is a simple file format for the weights of a model: a short JSON header that names each tensor, then the "
        "raw numbers. Unlike Python's pickle files it cannot run code when it is opened, and it can be mapped into memory "
        "directly.",
        (
            "What is safetensors?", "What is a safetensors file?", "Why is safetensors safe?", "What is in a safetensors file?",
            "What is the safetensors format?", "Safetensors or pickle?", "How are your weights stored?", "Which file holds the weights?",
        ),
        ("safetensors", "a safetensors file", "the safetensors format"),
    ),
    Topic(
        "onnx",
        "ONNX, the Open Neural Network Exchange, is an open file format for trained models. It describes a model as a graph of "
        "standard operators with their weights, so that a model trained in one framework can be run by another program, "
        "such as ONNX Runtime.",
        (
            "What is ONNX?", "What does ONNX stand for?", "What is an ONNX file?", "What is the ONNX format?", "Why use ONNX?",
            "What is an ONNX model?", "What is in an ONNX file?",
        ),
        ("ONNX", "the ONNX format", "an ONNX model", "an ONNX file", "Open Neural Network Exchange"),
    ),
    Topic(
        "onnx_runtime",
        "ONNX Runtime is Microsoft's open-source engine for running ONNX models. The same model can run on a CPU, a GPU or an "
        "NPU through plug-ins called execution providers. Its library for language models, ONNX Runtime GenAI, adds the "
        "generation loop, the KV cache and sampling.",
        (
            "What is ONNX Runtime?", "Who makes ONNX Runtime?", "What does ONNX Runtime do?", "What is ONNX Runtime GenAI?", "What is ORT?",
            "What is onnxruntime-genai?", "Why use ONNX Runtime?", "What is the difference between ONNX and ONNX Runtime?",
            "Is ONNX Runtime open source?", "What is onnxruntime?",
        ),
        ("ONNX Runtime", "onnxruntime", "ORT", "ONNX Runtime GenAI", "onnxruntime-genai"),
    ),
    Topic(
        "execution_provider",
        "An execution provider is the part of ONNX Runtime that runs a model on a certain kind of hardware. Examples are the "
        "CPU provider, CUDA for NVIDIA GPUs, DirectML for GPUs on Windows, OpenVINO for Intel hardware and QNN for "
        "Qualcomm NPUs.",
        (
            "What is an execution provider?", "What are execution providers?", "Which execution providers are there?", "What is QNN?",
            "Which execution provider should I use?", "What is an EP in ONNX Runtime?", "What is CUDA?", "How does ONNX Runtime use the GPU?",
            "How does ONNX Runtime use the NPU?", "Name the execution providers of ONNX Runtime.",
        ),
        ("an execution provider", "execution providers", "QNN", "the CUDA execution provider", "CUDA"),
    ),
    Topic(
        "openvino",
        "OpenVINO is Intel's open-source toolkit for running neural networks. It optimises a model and runs it on Intel CPUs, "
        "GPUs and NPUs, which makes it the usual way to use the NPU of an Intel Core Ultra laptop. Its weights can be "
        "compressed to int8 or int4.",
        (
            "What is OpenVINO?", "Who makes OpenVINO?", "What does OpenVINO do?", "Why use OpenVINO?", "How do I use an Intel NPU?",
            "Does OpenVINO support the NPU?", "Is OpenVINO open source?", "What is OpenVINO for?", "Which software runs on the Intel NPU?",
            "What is OpenVINO GenAI?",
        ),
        ("OpenVINO", "OpenVINO GenAI", "the OpenVINO toolkit", "Intel's OpenVINO"),
    ),
    Topic(
        "directml",
        "DirectML is Microsoft's interface for machine learning on top of DirectX 12. It lets a Windows program run a neural "
        "network on any GPU that supports DirectX 12, whether it comes from AMD, Intel, NVIDIA or Qualcomm.",
        (
            "What is DirectML?", "Who makes DirectML?", "What does DirectML do?", "Why use DirectML?", "Which GPUs does DirectML support?",
            "What is DirectML for?", "How do I use an AMD GPU on Windows?", "Does DirectML need NVIDIA?", "DirectML vs CUDA",
            "What is DirectX 12 machine learning?",
        ),
        ("DirectML", "Microsoft's DirectML", "the DirectML API"),
    ),
    Topic(
        "webgpu",
        "WebGPU is a standard that gives web pages access to the GPU, for graphics and for general computing. With it a "
        "language model can run inside the browser, on your own graphics hardware, without installing a program.",
        (
            "What is WebGPU?", "Can a model run in the browser?", "Can language models run in a browser?", "What does WebGPU do?",
            "Why use WebGPU?", "How can a web page use the GPU?", "Can I run Phi-3 in the browser?", "What is WebGPU for?",
        ),
        ("WebGPU", "the WebGPU standard", "WebGPU in the browser"),
    ),
)
