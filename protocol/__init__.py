"""The wire. Pure: no asyncio, no clock, no sockets; bytes and `now` come in, messages and bytes go out."""
