"""The server of the Model Context Protocol, asked by the protocol's own client."""

import asyncio
import sys

import pytest


def test_a_client_lists_and_calls_the_tools(spark_log, tmp_path):
    mcp = pytest.importorskip("mcp")
    stdio = pytest.importorskip("mcp.client.stdio")

    async def talk():
        server = mcp.StdioServerParameters(command=sys.executable, args=["-m", "syncline", "mcp"])
        async with stdio.stdio_client(server) as (read, write), mcp.ClientSession(read, write) as session:
            await session.initialize()
            tools = {tool.name for tool in (await session.list_tools()).tools}
            report = await session.call_tool("report", {"log": str(spark_log)})
            missing = await session.call_tool("report", {"log": str(tmp_path / "nowhere")})
            queue = {"question": "mean", "system": "split-merge", "workers": "2", "arrivals": "exp:0.5", "service": "exp:1"}
            return tools, report, missing, await session.call_tool("queue", queue)

    tools, report, missing, queue = asyncio.run(asyncio.wait_for(talk(), 60))
    assert tools == {"report", "compare", "survey", "predict", "queue", "schedule"}
    assert "small" in report.content[0].text
    assert "nowhere" in missing.content[0].text and "3.5" in queue.content[0].text
