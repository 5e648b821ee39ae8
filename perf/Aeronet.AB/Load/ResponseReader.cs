using System;
using System.Buffers.Text;
using System.Diagnostics;
using System.Text;

namespace Aeronet.AB.Load;

/// <summary>Finds the ends of HTTP/1.1 responses in the bytes of one connection, by Content-Length or chunked coding, and counts those that are not 2xx.</summary>
/// <remarks>
/// Checks what a load client needs to count honestly, no more: a broken chunk or head makes <see cref="Failed"/> true. A head equal in
/// length and framing line to the last one is recognised by comparing that line at its known place.
/// </remarks>
internal sealed class ResponseReader
{
    private const int HeadBytesMax = 32 * 1024;

    private enum Awaiting
    {
        Head,
        Body,
        ChunkSize,
        ChunkData,
        Trailers,
    }

    private Awaiting _awaiting;
    private long _left; // of the body or the chunk with its line end; while the size line is read, the size so far
    private bool _sizeEnded; // an extension or the line's end has begun
    private int _trailerLine; // bytes of the current trailer line
    private int _ended; // responses that ended in the bytes being read
    private byte[] _held = []; // the start of a head that was cut
    private int _heldCount;
    private byte[] _framing = []; // the Content-Length line of the last head, with its line ends
    private int _framingAt, _framedHeadLength;
    private long _framedBody;

    /// <summary>True when the bytes were no response; the connection is of no more use.</summary>
    public bool Failed { get; private set; }

    /// <summary>Responses with a status outside of 200 to 299, since the last <see cref="Reset"/>.</summary>
    public int Refusals { get; private set; }

    public void Reset()
    {
        _awaiting = Awaiting.Head;
        _heldCount = 0;
        Failed = false;
        Refusals = 0;
    }

    /// <summary>Reads on; returns how many responses ended in these bytes.</summary>
    public int Read(ReadOnlySpan<byte> received)
    {
        _ended = 0;
        while (!received.IsEmpty && !Failed)
        {
            switch (_awaiting)
            {
                case Awaiting.Head:
                    received = ReadHead(received);
                    break;
                case Awaiting.Body:
                case Awaiting.ChunkData:
                    int taken = (int)Math.Min(_left, received.Length);
                    _left -= taken;
                    received = received[taken..];
                    if (_left == 0)
                    {
                        _ended += _awaiting == Awaiting.Body ? 1 : 0;
                        _awaiting = _awaiting == Awaiting.Body ? Awaiting.Head : Awaiting.ChunkSize;
                        _sizeEnded = false;
                    }

                    break;
                case Awaiting.ChunkSize:
                    OnChunkSizeByte(received[0]);
                    received = received[1..];
                    break;
                case Awaiting.Trailers:
                    _ended += OnTrailerByte(received[0]) ? 1 : 0;
                    received = received[1..];
                    break;
            }
        }

        return _ended;
    }

    private ReadOnlySpan<byte> ReadHead(ReadOnlySpan<byte> received)
    {
        if (_heldCount > 0)
        {
            return ReadHeldHead(received);
        }

        if (IsLikeLast(received))
        {
            OnHead(isOk: received[9] == '2', _framedBody);
            return received[_framedHeadLength..];
        }

        int end = received.IndexOf("\r\n\r\n"u8);
        if (end < 0)
        {
            Hold(received);
            return default;
        }

        Judge(received[..(end + 4)]);
        return received[(end + 4)..];
    }

    private bool IsLikeLast(ReadOnlySpan<byte> received) =>
        _framing.Length > 0 && received.Length >= _framedHeadLength
        && received.StartsWith("HTTP/1.1 "u8)
        && received.Slice(_framingAt, _framing.Length).SequenceEqual(_framing)
        && received.Slice(_framedHeadLength - 4, 4).SequenceEqual("\r\n\r\n"u8)
        && received[..(_framedHeadLength - 4)].IndexOf("\r\n\r\n"u8) < 0;

    private ReadOnlySpan<byte> ReadHeldHead(ReadOnlySpan<byte> received)
    {
        int before = _heldCount;
        Hold(received[..Math.Min(received.Length, HeadBytesMax - before)]);
        int end = _held.AsSpan(0, _heldCount).IndexOf("\r\n\r\n"u8);
        if (end < 0)
        {
            Failed = _heldCount == HeadBytesMax;
            return default;
        }

        _heldCount = 0;
        Judge(_held.AsSpan(0, end + 4));
        return received[(end + 4 - before)..];
    }

    private void Hold(ReadOnlySpan<byte> bytes)
    {
        int length = _heldCount + bytes.Length;
        if (length > HeadBytesMax)
        {
            Failed = true;
            return;
        }

        if (length > _held.Length)
        {
            Array.Resize(ref _held, Math.Min(HeadBytesMax, length * 2));
        }

        bytes.CopyTo(_held.AsSpan(_heldCount));
        _heldCount = length;
    }

    private void Judge(ReadOnlySpan<byte> head)
    {
        Debug.Assert(head.EndsWith("\r\n\r\n"u8));
        if (!head.StartsWith("HTTP/1.1 "u8) && !head.StartsWith("HTTP/1.0 "u8))
        {
            Failed = true;
            return;
        }

        if (head[9] == '1')
        {
            return; // an interim response; the final one follows
        }

        int lineAt = head.IndexOf("\r\n"u8) + 2;
        for (int length; (length = head[lineAt..].IndexOf("\r\n"u8)) > 0; lineAt += length + 2)
        {
            ReadOnlySpan<byte> line = head.Slice(lineAt, length);
            if (IsField(line, "content-length:"u8, out ReadOnlySpan<byte> value))
            {
                Failed = !Utf8Parser.TryParse(value, out _framedBody, out int used) || used != value.Length;
                _framing = head.Slice(lineAt - 2, length + 4).ToArray();
                _framingAt = lineAt - 2;
                _framedHeadLength = head.Length;
                OnHead(head[9] == '2', _framedBody);
                return;
            }

            if (IsField(line, "transfer-encoding:"u8, out value) && value.SequenceEqual("chunked"u8))
            {
                _framing = [];
                Refusals += head[9] == '2' ? 0 : 1;
                _awaiting = Awaiting.ChunkSize;
                _left = 0;
                _sizeEnded = false;
                return;
            }
        }

        bool hasNoBody = head.Slice(9, 3).SequenceEqual("204"u8) || head.Slice(9, 3).SequenceEqual("304"u8);
        Failed = !hasNoBody; // delimited by close: no scenario wants that
        OnHead(head[9] == '2', 0);
    }

    private static bool IsField(ReadOnlySpan<byte> line, ReadOnlySpan<byte> lowerCaseName, out ReadOnlySpan<byte> value)
    {
        bool matches = line.Length >= lowerCaseName.Length && Ascii.EqualsIgnoreCase(line[..lowerCaseName.Length], lowerCaseName);
        value = matches ? line[lowerCaseName.Length..].Trim((byte)' ') : default;
        return matches;
    }

    private void OnHead(bool isOk, long bodyLength)
    {
        Refusals += isOk ? 0 : 1;
        _left = bodyLength;
        _awaiting = bodyLength == 0 ? Awaiting.Head : Awaiting.Body;
        _ended += bodyLength == 0 ? 1 : 0;
    }

    private void OnChunkSizeByte(byte next)
    {
        int digit = next switch
        {
            >= (byte)'0' and <= (byte)'9' => next - '0',
            >= (byte)'a' and <= (byte)'f' => next - 'a' + 10,
            >= (byte)'A' and <= (byte)'F' => next - 'A' + 10,
            _ => -1,
        };
        if (next == '\n')
        {
            _awaiting = _left == 0 ? Awaiting.Trailers : Awaiting.ChunkData;
            _left += _left == 0 ? 0 : 2; // the line end after the data
            _trailerLine = 0;
        }
        else if (!_sizeEnded && digit >= 0)
        {
            _left = (_left * 16) + digit;
            Failed = _left > int.MaxValue;
        }
        else
        {
            Failed |= !_sizeEnded && next != ';' && next != '\r';
            _sizeEnded = true;
        }
    }

    private bool OnTrailerByte(byte next)
    {
        if (next != '\n')
        {
            _trailerLine += next == '\r' ? 0 : 1;
            return false;
        }

        bool isEmptyLine = _trailerLine == 0;
        _trailerLine = 0;
        if (isEmptyLine)
        {
            _awaiting = Awaiting.Head;
        }

        return isEmptyLine;
    }
}
