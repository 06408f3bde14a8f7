"""A chain of LangChain over the server.

pip install langchain-openai; octavo serve &; python examples/langchain_client.py [http://127.0.0.1:8000/v1]
"""

import os
import sys

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000/v1"
model = ChatOpenAI(
    base_url=url, api_key=os.environ.get("OCTAVO_API_KEY", "none"), model="octavo-mini", temperature=0, max_tokens=24
)
chain = ChatPromptTemplate.from_messages([("user", "What is {a} + {b}?")]) | model | StrOutputParser()

print(chain.invoke({"a": 7, "b": 12}))
for piece in chain.stream({"a": 3, "b": 4}):
    print(piece, end="", flush=True)
print()
