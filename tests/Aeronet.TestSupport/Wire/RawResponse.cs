using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;

namespace Aeronet.TestSupport.Wire;

/// <summary>One response as it was on the wire.</summary>
public sealed class RawResponse
{
    /// <summary>"HTTP/1.1" or "HTTP/1.0".</summary>
    public required string Version { get; init; }

    /// <summary>Status code.</summary>
    public required int Status { get; init; }

    /// <summary>Reason phrase, perhaps empty.</summary>
    public required string Reason { get; init; }

    /// <summary>Field lines in wire order.</summary>
    public required IReadOnlyList<KeyValuePair<string, string>> Fields { get; init; }

    /// <summary>How the body ended.</summary>
    public required BodyFraming Framing { get; init; }

    /// <summary>Body, chunk framing removed.</summary>
    public required byte[] Body { get; init; }

    /// <summary>Size of each chunk, the last empty one not included.</summary>
    public required IReadOnlyList<int> ChunkSizes { get; init; }

    /// <summary>Trailer field lines in wire order.</summary>
    public required IReadOnlyList<KeyValuePair<string, string>> Trailers { get; init; }

    /// <summary>Body bytes as Latin-1 text.</summary>
    public string Text => Encoding.Latin1.GetString(Body);

    /// <summary>Body bytes as UTF-8 text.</summary>
    public string Utf8Text => Encoding.UTF8.GetString(Body);

    /// <summary>Whether the response announces that the connection ends after it.</summary>
    public bool Closes => string.Equals(this["Connection"], "close", StringComparison.OrdinalIgnoreCase);

    /// <summary>The value of a field that may be there once; null when it is not there.</summary>
    public string? this[string name]
    {
        get
        {
            string[] all = All(name);
            return all.Length <= 1 ? all.FirstOrDefault() : throw new WireFormatException($"{all.Length} field lines named {name}:\n{this}");
        }
    }

    /// <summary>The values of every field line of a name.</summary>
    public string[] All(string name) =>
        [.. Fields.Where(field => string.Equals(field.Key, name, StringComparison.OrdinalIgnoreCase)).Select(field => field.Value)];

    /// <summary>The value of a trailer field; null when it is not there.</summary>
    public string? Trailer(string name) =>
        Trailers.SingleOrDefault(field => string.Equals(field.Key, name, StringComparison.OrdinalIgnoreCase)).Value;

    /// <summary>The response as text with the date masked.</summary>
    public override string ToString()
    {
        var text = new StringBuilder($"{Version} {Status} {Reason}\n");
        foreach (KeyValuePair<string, string> field in Fields)
        {
            text.Append(field.Key).Append(": ").Append(field.Key == "Date" ? "<date>" : field.Value).Append('\n');
        }

        text.Append('\n').Append(Body.Length <= 2000 ? Text : $"<{Body.Length} bytes>");
        return text.ToString();
    }
}
