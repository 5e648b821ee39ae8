using System;
using System.Diagnostics.CodeAnalysis;

namespace Aeronet.Transport.Connections;

/// <summary>What callers of a pipe do wrong, in the words of <see cref="System.IO.Pipelines.Pipe"/>.</summary>
internal static class PipeErrors
{
    public const string NoReadingAllowed = "Reading is not allowed after reader was completed.";
    public const string NoWritingAllowed = "Writing is not allowed after writer was completed.";
    public const string AlreadyReading = "Reading is already in progress.";
    public const string NoReadToComplete = "No reading operation to complete.";
    public const string Concurrent = "Concurrent reads or writes are not supported.";
    public const string ExaminedBeforeConsumed = "The examined position must be greater than or equal to the consumed position.";
    public const string InvalidCursor = "The PipeReader has already advanced past the provided position.";
    public const string NotCompleted = "Can't GetResult unless awaiter is completed.";

    public static void ThrowIf(bool isWrong, string message)
    {
        if (isWrong)
        {
            Throw(message);
        }
    }

    [DoesNotReturn]
    private static void Throw(string message) => throw new InvalidOperationException(message);
}
