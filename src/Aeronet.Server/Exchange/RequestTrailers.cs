using System;
using System.Text;
using Aeronet.Http.Http1;

namespace Aeronet.Server.Exchange;

/// <summary>The fields behind a chunked request's last chunk. Made at once, because their bytes leave the receive buffer with the body.</summary>
internal sealed class RequestTrailers : HeaderFields
{
    private readonly Func<string, Encoding?>? _encodingSelector;

    /// <param name="encodingSelector">As for the request's header fields.</param>
    public RequestTrailers(Func<string, Encoding?>? encodingSelector) => _encodingSelector = encodingSelector;

    /// <summary>Takes the trailer section in; false when a value cannot become a string, and then nothing was taken.</summary>
    /// <param name="lines">What the parser found.</param>
    /// <param name="bytes">What the lines' offsets count into.</param>
    /// <param name="badOffset">Offset of the first bad byte in <paramref name="bytes"/>.</param>
    public bool TryLoad(ReadOnlySpan<FieldLine> lines, ReadOnlySpan<byte> bytes, out int badOffset)
    {
        foreach (ref readonly FieldLine line in lines)
        {
            ReadOnlySpan<byte> name = bytes.Slice(line.NameStart, line.NameLength);
            ReadOnlySpan<byte> value = bytes.Slice(line.ValueStart, line.ValueLength);
            if (!HeaderStrings.IsText(value, name, _encodingSelector, out int badIndex))
            {
                Reset();
                badOffset = line.ValueStart + badIndex;
                return false;
            }

            AddReceived(line.Name, name, value, _encodingSelector);
        }

        badOffset = -1;
        return true;
    }

    /// <summary>Ends the request: trailers of one request never reach the next.</summary>
    public void Reset()
    {
        AllowChanges();
        Forget(keepStrings: false);
    }
}
