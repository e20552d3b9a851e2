"""Scope: topics about the Phi-3 family and about how language models work."""

from .topic import Topic

TOPICS = (
    Topic(
        "phi3",
        "Phi-3 is a family of small open language models that Microsoft released in 2024 under the MIT licence. It includes "
        "Phi-3-mini with 3.8 billion parameters, Phi-3-small with 7 billion, Phi-3-medium with 14 billion and "
        "Phi-3-vision, which also reads images.",
        (
            "What is Phi-3?", "What is Microsoft Phi-3?", "Who made Phi-3?", "Which models belong to Phi-3?", "What is the Phi-3 family?",
            "When was Phi-3 released?", "What is Microsoft Phi?", "How many Phi-3 models are there?", "Which sizes does Phi-3 have?",
            "What is special about Phi-3?", "List the Phi-3 models.", "How good is Phi-3?", "What is Phi?", "Which Phi-3 models exist?",
        ),
        ("Phi-3", "phi3", "Microsoft Phi-3", "the Phi-3 family", "Microsoft's Phi models"),
    ),
    Topic(
        "phi3_mini",
        "Phi-3-mini is the smallest language model of Microsoft's Phi-3 family. It has 3.8 billion parameters, 32 layers and a "
        "hidden size of 3072, and comes with a context window of 4K or 128K tokens. In int4 it runs well on an ordinary "
        "laptop.",
        (
            "What is Phi-3-mini?", "How many parameters does Phi-3-mini have?", "How big is Phi-3-mini?", "What is Phi-3-mini-4k-instruct?",
            "What is Phi-3-mini-128k?", "How many layers does Phi-3-mini have?", "What is the context length of Phi-3-mini?",
            "What is Phi-3 mini good at?", "Tell me about Phi-3-mini-4k-instruct.", "What is phi-3-mini instruct?",
        ),
        ("Phi-3-mini", "Phi-3 mini", "phi-3-mini-4k-instruct", "Phi-3-mini-128k"),
    ),
    Topic(
        "phi3_vision",
        "Phi-3-vision is the member of Microsoft's Phi-3 family that reads images as well as text. It has 4.2 billion "
        "parameters and can describe a picture, read a chart or answer a question about a scanned page. I cannot see "
        "images myself.",
        (
            "What is Phi-3-vision?", "Can Phi-3 read images?", "Can you see images?", "Which Phi-3 model understands pictures?",
            "Can you look at a picture?", "What can Phi-3-vision do?", "How big is Phi-3-vision?", "Can you describe a photo?",
            "Can I send you an image?", "Is Phi-3 multimodal?", "Are you multimodal?", "Can you draw a picture?",
        ),
        ("Phi-3-vision", "Phi-3 vision", "phi-3-vision-128k-instruct"),
    ),
    Topic(
        "phi35",
        "Phi-3.5 is the update of the Phi-3 family that Microsoft released in August 2024. It has three members, all with a "
        "context window of 128K tokens: Phi-3.5-mini, with better support for languages other than English, "
        "Phi-3.5-vision for images, and Phi-3.5-MoE, a mixture of experts.",
        (
            "What is Phi-3.5?", "What is new in Phi-3.5?", "What is the difference between Phi-3 and Phi-3.5?", "When was Phi-3.5 released?",
            "What is Phi-3.5-mini?", "What is Phi-3.5-MoE?", "What is Phi-3.5-vision?", "Is Phi-3.5 better than Phi-3?",
        ),
        ("Phi-3.5", "Phi-3.5-mini", "phi3.5", "Phi-3.5-MoE", "Phi-3.5-vision"),
    ),
    Topic(
        "small_language_model",
        "A small language model, or SLM, is a language model that is small enough for an ordinary computer or a phone, usually "
        "with fewer than about 10 billion parameters. It knows fewer facts than a large one but is cheap, quick and "
        "private. Phi-3-mini is an example.",
        (
            "What is a small language model?", "What is an SLM?", "What does SLM stand for?", "What are small language models good for?",
            "SLM vs LLM", "What is the difference between an SLM and an LLM?", "Why use a small language model?", "Are small models useful?",
            "When is a language model small?", "Small or large language model?",
        ),
        ("a small language model", "small language models", "an SLM", "SLM", "SLMs"),
    ),
    Topic(
        "language_model",
        "A language model is a neural network that predicts the next token of a text. It learns from a great amount of text, and "
        "by predicting one token after another it writes answers. One with billions of parameters is called a large "
        "language model, or LLM.",
        (
            "What is a language model?", "What is a large language model?", "What is an LLM?", "What does LLM stand for?",
            "How does a language model work?", "How do language models write text?", "How does an LLM generate text?", "What is generative AI?",
            "How do you work?", "How do you generate answers?", "How do you write text?", "What is an AI language model?",
            "How does a chatbot work?", "How do you produce your answers?",
        ),
        ("a language model", "language models", "an LLM", "LLMs", "a large language model", "LLM"),
    ),
    Topic(
        "token",
        "A token is the unit of text that a language model reads and writes: a word, a part of a word, a punctuation mark or a "
        "single byte. Each token has a number, and the model works with these numbers only. In English text, a token is "
        "about four characters on average.",
        (
            "What is a token?", "What are tokens?", "What does token mean?", "How long is a token?", "How many characters are in a token?",
            "How many words is a token?", "Is a token a word?", "What is a token in a language model?", "Why do models use tokens?",
            "How many tokens are in a word?", "What are tokens in AI?", "What is text made of for a model?",
        ),
        ("a token", "tokens", "the word token", "token"),
    ),
    Topic(
        "tokenizer",
        "The tokenizer turns text into tokens before the model runs and tokens back into text afterwards. Model and tokenizer "
        "belong together, because a token's number means nothing without the vocabulary it was trained with. Phi-3 and "
        "I use byte-pair encoding.",
        (
            "What is a tokenizer?", "What does a tokenizer do?", "How does a tokenizer work?", "Why do models need a tokenizer?",
            "What is tokenisation?", "What is tokenization?", "How is text turned into tokens?", "Which tokenizer do you use?",
            "What is detokenization?", "Can I use another tokenizer?",
        ),
        ("a tokenizer", "the tokenizer", "tokenization", "tokenizers", "tokenisation"),
    ),
    Topic(
        "bpe",
        "Byte-pair encoding, or BPE, builds a vocabulary by starting from single characters and joining the most frequent pair "
        "of neighbours again and again. Frequent words become one token, rare words are split into pieces, and unknown "
        "characters fall back to bytes.",
        (
            "What is byte-pair encoding?", "What is BPE?", "How does BPE work?", "What does BPE stand for?", "How does byte pair encoding work?",
            "What is byte fallback?", "What is subword tokenization?", "How are tokens chosen?",
        ),
        ("byte-pair encoding", "BPE", "byte pair encoding", "byte fallback"),
    ),
    Topic(
        "vocabulary",
        "The vocabulary of a language model is the list of all tokens it knows, each with its number. Phi-3-mini has about 32 "
        "thousand entries; I have 4096. A larger vocabulary makes texts shorter in tokens but the first and last layers "
        "of the model larger.",
        (
            "What is a vocabulary?", "What is the vocabulary of a language model?", "How large is a vocabulary?", "How big is the vocabulary of Phi-3?",
            "What is the vocab size?", "Why does vocabulary size matter?", "How many tokens does Phi-3 know?", "What does vocab_size mean?",
        ),
        ("the vocabulary", "a model's vocabulary", "the vocabulary size", "vocab size"),
    ),
    Topic(
        "context_window",
        "The context window is the largest number of tokens a model can take into account at once, prompt and answer together. "
        "Phi-3-mini comes with 4K or 128K tokens; mine is 4096. When a conversation grows longer than that, the oldest "
        "part has to be dropped or shortened.",
        (
            "What is a context window?", "How long is your context window?", "How long can a prompt be?", "What is context length?",
            "How many tokens can you read?", "What happens when the context is full?", "What does 4k mean in Phi-3-mini-4k?",
            "What does 128k mean in a model name?", "What is the maximum prompt length?", "How long can our conversation get?",
            "What is the context size?", "How much text can you read?",
        ),
        ("the context window", "a context window", "context length", "context size", "the context"),
    ),
    Topic(
        "kv_cache",
        "The KV cache keeps the keys and values that the attention layers have computed for all earlier tokens. With it, each "
        "new token needs only its own computation instead of the whole text again. It grows with every token, so long "
        "conversations take more memory.",
        (
            "What is the KV cache?", "What does the KV cache do?", "Why is there a KV cache?", "How big is the KV cache?",
            "Why does a long chat need more memory?", "What does KV stand for?", "What is a key-value cache?", "How does the KV cache save time?",
            "What is stored in the KV cache?", "Why do we need a KV cache?", "What is KV caching?",
        ),
        ("the KV cache", "a KV cache", "KV cache", "the key-value cache", "KV caching"),
    ),
    Topic(
        "time_to_first_token",
        "Time to first token is how long you wait between sending a prompt and seeing the first token of the answer. It is "
        "mostly the time for reading the prompt, so it grows with the length of the prompt and shrinks with more "
        "computing power.",
        (
            "What is time to first token?", "What is TTFT?", "What does TTFT mean?", "Why does the first token take so long?",
            "Why do I wait before the answer starts?", "What does TTFT stand for?", "How is time to first token measured?",
            "What affects the time to first token?", "Why is the first word slow?", "What is first token latency?",
        ),
        ("time to first token", "TTFT", "the time to first token", "first token latency"),
    ),
    Topic(
        "tokens_per_second",
        "Tokens per second says how fast a model writes once it has started. Reading speed is roughly 5 to 7 tokens per second, "
        "so anything above that feels fluent. The number depends on the size of the weights, the memory bandwidth and "
        "the processor.",
        (
            "What are tokens per second?", "How many tokens per second is good?", "How fast are you?", "How is the speed of a model measured?",
            "What does tokens per second mean?", "What is a good speed for a language model?", "How fast is a language model?",
            "What is the throughput of a model?", "How fast do you write?", "How fast can I read in tokens?", "What is tok/s?",
            "What is your speed?",
        ),
        ("tokens per second", "tok/s", "generation speed"),
    ),
    Topic(
        "prefill_and_decode",
        "A language model works in two phases. In prefill it reads all tokens of the prompt at once, which is limited by "
        "computing power. In decoding it writes the answer one token at a time, which is limited mostly by how fast the "
        "weights can be read from memory.",
        (
            "What is prefill?", "What is decoding?", "What is the prefill phase?", "What is the decode phase?", "Prefill vs decode",
            "What is the difference between prefill and decode?", "What is prompt processing?", "Why is reading a prompt faster than writing?",
            "What are the two phases of generation?", "How is a prompt processed?",
        ),
        ("prefill", "the prefill phase", "decoding", "the decode phase", "prompt processing"),
    ),
    Topic(
        "greedy_decoding",
        "Greedy decoding always takes the token with the highest score as the next one. The same prompt then gives the same "
        "answer every time, which is good for tests. The opposite is sampling, which draws the next token at random "
        "according to the probabilities.",
        (
            "What is greedy decoding?", "What is greedy search?", "What is sampling?", "Greedy or sampling?", "Why is greedy decoding deterministic?",
            "Are you deterministic?", "What is the difference between greedy decoding and sampling?", "How is the next token chosen?",
            "How do you choose the next word?", "When should I use greedy decoding?",
        ),
        ("greedy decoding", "greedy search", "sampling"),
    ),
    Topic(
        "temperature",
        "Temperature controls how adventurous sampling is. The scores of the tokens are divided by it: a low temperature makes "
        "likely tokens even more likely, a high one gives unlikely tokens a chance, and a temperature of 0 is treated as "
        "greedy decoding.",
        (
            "What is temperature in a language model?", "What does temperature do?", "What temperature should I use?", "What is the temperature setting?",
            "What does temperature 0 mean?", "What does a high temperature do?", "How does temperature change the answers?",
            "What is the temperature parameter?", "What does temperature 0.7 mean?", "What is sampling temperature?",
        ),
        ("temperature in sampling", "the temperature setting", "sampling temperature", "temperature"),
    ),
    Topic(
        "top_p",
        "Top-p sampling, also called nucleus sampling, keeps only the most likely tokens whose probabilities add up to p, for "
        "example 0.9, and draws the next token from these. Top-k sampling keeps a fixed number k of tokens instead.",
        (
            "What is top-p?", "What is top-k?", "What is nucleus sampling?", "What does top_p do?", "What does top_k do?", "Top-p or top-k?",
            "What is the difference between top-p and top-k?", "What does top-p 0.9 mean?", "What top-p should I use?",
        ),
        ("top-p", "top-k", "top-p sampling", "nucleus sampling", "top-k sampling"),
    ),
    Topic(
        "logits",
        "Logits are the raw scores that a language model gives to every token of its vocabulary before the next one is chosen. "
        "The softmax function turns them into probabilities. In greedy decoding the token with the largest logit wins.",
        (
            "What are logits?", "What is a logit?", "What does softmax do?", "What is the softmax function?", "What is the output of a language model?",
            "How do logits become probabilities?", "What does the last layer of a model compute?",
        ),
        ("logits", "a logit", "softmax", "the softmax function"),
    ),
    Topic(
        "transformer",
        "A transformer is the kind of neural network behind today's language models. It is a stack of equal layers, each with an "
        "attention part, which lets tokens look at one another, and a feed-forward part, which works on each token by "
        "itself. Phi-3-mini has 32 such layers; I have 8.",
        (
            "What is a transformer?", "What is the transformer architecture?", "How does a transformer work?", "What is inside a language model?",
            "What is a transformer model?", "What is a transformer layer?", "What are the parts of a transformer?", "What does a feed-forward layer do?",
            "What neural network do language models use?",
        ),
        ("a transformer", "transformers", "the transformer architecture", "a transformer layer"),
    ),
    Topic(
        "attention",
        "Attention is the part of a transformer that lets each token look at the tokens before it and take information from the "
        "ones that matter. Each token asks with a query, is found by its key, and hands over its value. Several "
        "attention heads do this side by side.",
        (
            "What is attention?", "What is self-attention?", "How does attention work?", "What is an attention head?", "What does attention do?",
            "What are queries, keys and values?", "What is the attention mechanism?", "What is multi-head attention?",
            "Why do transformers use attention?", "What is an attention layer?",
        ),
        ("attention", "self-attention", "the attention mechanism", "an attention head", "multi-head attention"),
    ),
    Topic(
        "rope",
        "RoPE, short for rotary position embedding, tells a transformer where each token stands. It rotates the query and key "
        "vectors by an angle that grows with the position, so attention sees how far apart two tokens are. Phi-3 uses it, "
        "and so do I.",
        (
            "What is RoPE?", "What does RoPE stand for?", "What is a rotary position embedding?", "How does a model know the order of words?",
            "What is a position embedding?", "How does RoPE work?", "What is rope_theta?", "How are positions encoded?",
        ),
        ("RoPE", "rotary position embedding", "rotary embeddings", "rope_theta"),
    ),
    Topic(
        "parameters",
        "Parameters, or weights, are the numbers inside a neural network that are set by training. They decide what the model "
        "answers. Phi-3-mini has 3.8 billion of them and I have 8.9 million; the more a model has, the more it can know, "
        "and the more memory it needs.",
        (
            "What are parameters?", "What is a parameter?", "What are weights?", "What are the weights of a model?", "What does 3.8B mean?",
            "What does 7B mean in a model name?", "What are model weights?", "Why do parameters matter?", "What does a model consist of?",
            "Are more parameters better?", "What does 14B mean?",
        ),
        ("parameters", "model parameters", "model weights", "weights", "the parameters of a model"),
    ),
    Topic(
        "embedding",
        "An embedding is a list of numbers that stands for a token or a text, so that things with similar meanings have similar "
        "numbers. The first layer of a language model turns each token into its embedding; mine have 256 numbers each.",
        (
            "What is an embedding?", "What are embeddings?", "What does an embedding layer do?", "What is an embedding vector?",
            "What are embeddings used for?", "What is the first layer of a model?", "What is a token embedding?",
        ),
        ("an embedding", "embeddings", "the embedding layer", "an embedding vector"),
    ),
    Topic(
        "training_and_inference",
        "Training sets the weights of a model from examples and needs a lot of computing power, once. Inference is using the "
        "finished model to get answers, and that is what your AI PC does. During inference the weights do not change.",
        (
            "What is inference?", "What is the difference between training and inference?", "Training vs inference", "What does inference mean?",
            "What is training?", "What is model training?", "What is AI inference?", "Is inference the same as training?", "How is a model trained?",
            "How is a language model trained?",
        ),
        ("inference", "AI inference", "model training", "training a model"),
    ),
    Topic(
        "fine_tuning",
        "Fine-tuning continues the training of a finished model on examples of one task, so that it gets better at that task. "
        "LoRA is a cheap way of doing it: the original weights stay fixed, and only small additional matrices are trained.",
        (
            "What is fine-tuning?", "What is LoRA?", "How does fine-tuning work?", "Can I fine-tune Phi-3?", "Can I fine-tune you?",
            "How do I adapt a model to my task?", "What is a LoRA adapter?", "Why fine-tune a model?", "What does LoRA stand for?",
            "How can I train a model on my data?",
        ),
        ("fine-tuning", "LoRA", "a LoRA adapter", "finetuning"),
    ),
    Topic(
        "chat_template",
        "A chat template says how a conversation is written as one text for the model. For Phi-3, and for me, each message starts "
        "with a marker for system, user or assistant and finishes with an end marker; the model then writes after the "
        "last assistant marker.",
        (
            "What is a chat template?", "What is the prompt format of Phi-3?", "How is a chat turned into a prompt?", "What is the chat format of Phi-3?",
            "Which prompt format do you use?", "What is the Phi-3 chat template?", "How do I format a prompt?", "What are special tokens?",
            "What is a special token?", "What is an end-of-text token?", "How does a model know when to stop?", "How do you know when to stop?",
        ),
        ("a chat template", "the chat template", "the prompt format", "special tokens"),
    ),
    Topic(
        "prompt",
        "A prompt is the text you give to a language model, and a system prompt is a message at its beginning that says how the "
        "model should behave. A good prompt is clear, gives the needed context and says what form the answer should have.",
        (
            "What is a prompt?", "What is a system prompt?", "What is a system message?", "What makes a good prompt?", "How do I write a good prompt?",
            "What is prompt engineering?", "What does prompt mean?", "How should I write a prompt?", "Can I give you a system prompt?",
        ),
        ("a prompt", "a system prompt", "the system message", "prompt engineering", "prompts"),
    ),
    Topic(
        "hallucination",
        "A hallucination is a statement that a language model makes up: it sounds convincing but is not true. It happens because "
        "the model is trained to write likely text, not to check facts. Small models do it more often, so verify anything "
        "important.",
        (
            "What is a hallucination?", "What are hallucinations?", "Why do language models make things up?", "Why do models hallucinate?",
            "Do you hallucinate?", "What does it mean that a model hallucinates?", "Can language models lie?", "Why does AI say wrong things?",
            "How can I avoid hallucinations?",
        ),
        ("a hallucination", "hallucinations", "hallucination in AI"),
    ),
    Topic(
        "speculative_decoding",
        "Speculative decoding lets a small, fast model guess the next few tokens, and the large model checks all of them in one "
        "pass. Guesses that match are kept, so the text of the large model appears in fewer steps without becoming worse.",
        (
            "What is speculative decoding?", "How does speculative decoding work?", "What is a draft model?", "Why is speculative decoding faster?",
            "What is speculative sampling?", "What is assisted generation?",
        ),
        ("speculative decoding", "a draft model", "speculative sampling"),
    ),
    Topic(
        "streaming",
        "Streaming means showing each token as soon as it is written instead of waiting for the whole answer. The total time is "
        "the same, but you can start to read at once, and you can stop the answer when it goes the wrong way.",
        (
            "What is streaming?", "What does streaming mean for a language model?", "Why do the words appear one by one?",
            "Why do you write word by word?", "Why does the text appear slowly?", "What is token streaming?", "Can the answer be streamed?",
            "What is a streaming answer?",
        ),
        ("streaming", "token streaming", "streaming output"),
    ),
    Topic(
        "retrieval",
        "Retrieval-augmented generation, or RAG, looks up passages in your own documents that fit a question and puts them into "
        "the prompt, so that the model can answer from them. It is a good way to make a small local model know things "
        "it was not trained on.",
        (
            "What is RAG?", "What is retrieval-augmented generation?", "How does RAG work?", "How can a model use my documents?",
            "What does RAG stand for?", "Can a model answer from my files?", "How do I give a model my own data?", "What is retrieval?",
        ),
        ("RAG", "retrieval-augmented generation", "retrieval augmented generation"),
    ),
    Topic(
        "artificial_intelligence",
        "Artificial intelligence is the field of making computers do things that seem to need intelligence, such as "
        "understanding language or recognising images. Today most of it is machine learning: a neural network learns from "
        "examples instead of following rules that a person wrote.",
        (
            "What is artificial intelligence?", "What is AI?", "What does AI stand for?", "What is machine learning?", "What is a neural network?",
            "What is deep learning?", "How does AI work?", "How do neural networks work?", "What does a neural network do?",
        ),
        ("artificial intelligence", "AI", "machine learning", "a neural network", "neural networks", "deep learning"),
    ),
)
