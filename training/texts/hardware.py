"""Scope: topics about AI PCs and the processors and memory inside them."""

from .topic import Topic

TOPICS = (
    Topic(
        "ai_pc",
        "An AI PC is a personal computer built to run artificial intelligence on the device itself. Besides a CPU and a "
        "GPU it has an NPU, a processor for neural networks that uses little power. It can run language models, speech "
        "and image features locally, without sending data to a cloud service.",
        (
            "What is an AI PC?", "What makes a PC an AI PC?", "How is an AI PC different from a normal PC?", "Is my computer an AI PC?",
            "Do I have an AI PC?", "What is special about an AI PC?", "Why would I buy an AI PC?", "Do I need an AI PC?",
            "What are AI PCs?", "What is inside an AI PC?", "What hardware does an AI PC have?", "What can an AI PC do?",
            "When is a laptop called an AI PC?", "What is an AI laptop?",
        ),
        ("an AI PC", "AI PCs", "AI PC", "an AI computer"),
    ),
    Topic(
        "copilot_plus_pc",
        "Copilot+ PC is Microsoft's name for a Windows 11 computer that meets certain minimum requirements: an NPU that can "
        "do at least 40 trillion operations per second, 16 gigabytes of memory and 256 gigabytes of storage.",
        (
            "What is a Copilot+ PC?", "What are the requirements of a Copilot+ PC?", "Is a Copilot+ PC an AI PC?",
            "What does a Copilot+ PC need?", "What makes a PC a Copilot+ PC?", "Is my laptop a Copilot+ PC?",
            "How many TOPS does a Copilot+ PC need?",
        ),
        ("a Copilot+ PC", "Copilot+ PCs", "Copilot plus PC", "Copilot+ PC"),
    ),
    Topic(
        "npu",
        "An NPU, or neural processing unit, is a processor built for neural networks. It does the matrix multiplications of "
        "such a network at low power, often with 8-bit integers, so a laptop can run AI features for hours without "
        "draining the battery or loading the CPU and the GPU.",
        (
            "What is an NPU?", "What does NPU stand for?", "What is an NPU for?", "Why do I need an NPU?", "What does an NPU do?",
            "Do I need an NPU?", "Why does a laptop have an NPU?", "What is the NPU in my laptop?", "What are NPUs good at?",
            "What is a neural processing unit?", "What is the advantage of an NPU?", "What is NPU?", "Is an NPU worth it?",
        ),
        ("an NPU", "NPUs", "the NPU", "NPU", "a neural processing unit"),
    ),
    Topic(
        "npu_vendors",
        "Most new laptop processors include an NPU: Intel Core Ultra chips have Intel AI Boost, AMD Ryzen AI chips have "
        "XDNA, Qualcomm Snapdragon X chips have Hexagon, and Apple silicon has the Apple Neural Engine.",
        (
            "Which processors have an NPU?", "Which laptops have an NPU?", "Who makes NPUs?", "Which chips have an NPU?",
            "Does Intel have an NPU?", "Does AMD have an NPU?", "Does Qualcomm have an NPU?", "Does Apple have an NPU?",
            "Which companies make NPUs?", "Does my laptop have an NPU?", "Does my PC have an NPU?", "Which CPUs come with an NPU?",
            "Do I have an NPU?", "Name some NPUs.", "What NPUs are there?", "Which NPU is in a Snapdragon X?", "Which NPU is in a Core Ultra?",
        ),
        ("Intel AI Boost", "XDNA", "Ryzen AI", "the Hexagon NPU", "the Apple Neural Engine", "Core Ultra", "Snapdragon X"),
    ),
    Topic(
        "gpu",
        "A GPU, or graphics processing unit, has many small arithmetic units that work in parallel. It was built to draw "
        "images, but the same parallel arithmetic makes it fast at the matrix products of neural networks. It is often "
        "the fastest processor for a language model, and the one that uses the most power.",
        (
            "What is a GPU?", "What does GPU stand for?", "Why are GPUs good for AI?", "Why is a GPU fast?", "Do I need a GPU?",
            "Can I run a model on my GPU?", "Why do language models run on GPUs?", "What is a graphics card?", "What does a GPU do?",
            "What is GPU?", "Is a GPU required?", "Do you use my GPU?",
        ),
        ("a GPU", "GPUs", "the GPU", "GPU", "a graphics processing unit", "a graphics card"),
    ),
    Topic(
        "cpu",
        "A CPU, or central processing unit, is the general processor that runs the operating system and ordinary programs. "
        "It can run any model, and with vector instructions such as AVX2 and int4 weights a small language model is quite "
        "usable on it. It is the safe choice when no other processor is supported.",
        (
            "What is a CPU?", "What does CPU stand for?", "Can I run a model on the CPU?", "Can a CPU run a language model?",
            "Is the CPU fast enough?", "What does a CPU do?", "Do you run on the CPU?", "Can I use aipc without a GPU?",
            "What if I have no GPU?", "What if I have no NPU?", "What is CPU?", "Is a CPU enough?",
        ),
        ("a CPU", "CPUs", "the CPU", "CPU", "a central processing unit"),
    ),
    Topic(
        "processor_choice",
        "Compared with each other, the CPU runs everything, the GPU is fastest at large parallel work, and the NPU runs "
        "neural networks with the least energy. For a language model, try the GPU first if it has enough memory, the NPU "
        "if battery life matters, and the CPU when neither is supported.",
        (
            "What is the difference between an NPU and a GPU?", "NPU vs GPU", "NPU or GPU?", "GPU vs NPU?", "CPU vs GPU",
            "CPU or GPU?", "CPU, GPU or NPU?", "CPU vs GPU vs NPU", "Should I use the CPU, the GPU or the NPU?",
            "Which processor should I use?", "What is the difference between a CPU and a GPU?", "What is the difference between a CPU and an NPU?",
            "How do CPU, GPU and NPU differ?", "Is an NPU faster than a GPU?", "Is a GPU faster than a CPU?", "Is an NPU better than a GPU?",
            "Which is better, NPU or GPU?", "Which is faster, the CPU or the GPU?", "Compare NPU and GPU.", "Compare the CPU, the GPU and the NPU.",
            "Which device should run the model?", "Where should I run a language model?", "How is an NPU different from a GPU?",
            "How does an NPU differ from a CPU?", "Explain the difference between NPU, GPU and CPU.", "Which device is best for Phi-3?",
            "What is better for AI, a GPU or an NPU?", "NPU versus CPU", "Does the NPU beat the GPU?", "Which processor is best for a language model?",
        ),
    ),
    Topic(
        "tops",
        "TOPS stands for trillion operations per second. It says how many simple operations, usually with 8-bit integers, a "
        "processor can do at most. For generating text it is only half the story: every token needs the weights to be "
        "read, so memory bandwidth often matters more.",
        (
            "What are TOPS?", "What is TOPS?", "What does TOPS stand for?", "What does 40 TOPS mean?", "How many TOPS do I need?",
            "What does TOPS tell me about an NPU?", "Are more TOPS better?", "How is NPU speed measured?", "What is a TOPS rating?",
            "How fast is an NPU?", "What do TOPS mean?",
        ),
        ("TOPS", "the TOPS rating", "trillion operations per second"),
    ),
    Topic(
        "memory_bandwidth",
        "Memory bandwidth is how much data can move between memory and the processor each second. To generate one token, a "
        "model reads almost all of its weights, so a model of 2 gigabytes on a machine with 60 gigabytes per second can "
        "reach at most about 30 tokens per second.",
        (
            "What is memory bandwidth?", "Why is memory bandwidth important?", "Why does memory bandwidth matter for language models?",
            "What limits the speed of a language model?", "Why is text generation slow?", "What is the bottleneck of a language model?",
            "Is decoding limited by memory?", "How does memory speed affect tokens per second?", "What does memory bound mean?",
            "Why is my model slow?",
        ),
        ("memory bandwidth", "the memory bandwidth"),
    ),
    Topic(
        "memory_needed",
        "As a rule, a model needs its number of parameters times the bytes per weight, plus the KV cache and some working "
        "memory. Phi-3-mini has 3.8 billion parameters: that makes about 7.6 gigabytes in fp16, and a little over 2 "
        "gigabytes in int4.",
        (
            "How much memory does a model need?", "How much RAM do I need?", "How much memory does Phi-3-mini need?",
            "How much RAM does Phi-3-mini need?", "How much RAM does a language model need?", "Will Phi-3-mini fit in 8 GB?",
            "Is 16 GB of RAM enough?", "Is 8 GB of RAM enough?", "How do I estimate the memory of a model?", "How big is Phi-3-mini on disk?",
            "How many gigabytes is Phi-3-mini?", "How large is the download of Phi-3-mini?", "How much VRAM do I need?",
            "What are the memory requirements?", "Does a model fit into my memory?", "How do I calculate the size of a model?",
            "How much disk space does Phi-3-mini need?",
        ),
    ),
    Topic(
        "faster",
        "Several things make a local model faster: int4 weights, because fewer bytes are read per token; a GPU or NPU instead "
        "of the CPU; a shorter prompt, because it lowers the time to first token; and a smaller model. Closing other "
        "programs helps as well.",
        (
            "How can I make the model faster?", "How do I speed up a model?", "How can I get more tokens per second?", "It is too slow.",
            "How do I improve the speed?", "How do I make Phi-3 faster?", "How can I speed up Phi-3-mini?", "What makes a local model fast?",
            "How can I lower the latency?", "Any tips for better performance?", "How do I reduce the time to first token?",
            "How can I optimise a local model?", "What can I do about slow answers?", "Speed tips?",
        ),
    ),
    Topic(
        "local",
        "Running a model locally has four advantages: your text stays on your machine, it works without a network, there is no "
        "price per token, and no server can be overloaded or switched off. The price is that a local model is smaller, "
        "and so knows less, than the largest models in the cloud.",
        (
            "Why run a model locally?", "What are the advantages of a local model?", "Why should I use a local model?", "Local or cloud?",
            "Why not use the cloud?", "What are the benefits of local AI?", "Cloud vs local models", "Why run AI on the PC?",
            "What is a local model?", "What is on-device AI?", "What are the drawbacks of local models?", "Is local AI better than cloud AI?",
            "Why use a language model on my own computer?", "What is edge AI?", "Are local models as good as cloud models?",
        ),
        ("local AI", "on-device AI", "a local language model", "edge AI"),
    ),
    Topic(
        "avx2",
        "AVX2 is a set of vector instructions of x86 processors: one instruction works on 256 bits at once, for example on "
        "eight 32-bit numbers. Programs that multiply matrices on the CPU, as a language model does, are several times "
        "faster with it.",
        (
            "What is AVX2?", "What does AVX2 do?", "Does my CPU need AVX2?", "What are vector instructions?", "What is SIMD?",
            "Why does AVX2 matter for language models?", "Is AVX2 required?", "What is AVX?",
        ),
        ("AVX2", "AVX", "vector instructions", "SIMD instructions"),
    ),
)
